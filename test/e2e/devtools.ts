// A client of the DevTools protocol that does what an editor does: it reads the inline source map of each script it is told of, finds its
// file by it, and sets the breakpoints of that file anew.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { SourceMap } from 'node:module'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { isObject, type JsonObject } from '../../schema/json.ts'

export interface Paused {
  /** Line of the TypeScript file, from 1. */
  readonly line: number
  readonly path: string
  /** What an expression is at the place where it stands. */
  evaluate(expression: string): Promise<unknown>
  resume(): Promise<void>
}

export interface DevTools extends AsyncDisposable {
  /** Breakpoints of the file, by line from 1, from here on; resolves when those of the scripts that are there are set. */
  breakAt(file: string, lines: readonly number[]): Promise<void>
  /** The next pause. */
  paused(): Promise<Paused>
  command(method: string, params?: JsonObject): Promise<JsonObject>
  /** The connection is cut off, as by a network that is gone. */
  cut(): void
  readonly closed: Promise<void>
}

export interface Target {
  readonly title: string
  readonly webSocketDebuggerUrl: string
}

export async function targetsOf(port: number): Promise<readonly Target[]> {
  const { body } = await request(`http://127.0.0.1:${port}/json/list`)
  return (await body.json()) as readonly Target[] // as Node's inspector lists them
}

/** Attaches to the target whose title holds `title`. */
export async function attach(port: number, title = 'worker'): Promise<DevTools> {
  const target = (await targetsOf(port)).find(each => each.title.includes(title))
  assert(target, `no target is called ${title}`)
  const socket = new WebSocket(target.webSocketDebuggerUrl)
  await once(socket, 'open')
  const open = new Map<number, PromiseWithResolvers<JsonObject>>()
  const scripts = new Map<string, { readonly id: string; readonly map: SourceMap | null }[]>()
  const byId = new Map<string, { readonly path: string; readonly map: SourceMap }>()
  const breakpoints = new Map<string, readonly number[]>()
  const pauses: JsonObject[] = []
  const waiting: ((params: JsonObject) => void)[] = []
  let lastId = 0

  socket.on('message', data => {
    const message = JSON.parse(String(data)) as JsonObject // the protocol
    const params = isObject(message.params) ? message.params : {}
    if (typeof message.id === 'number') {
      const { error, result } = message
      if (isObject(error)) open.get(message.id)?.reject(new Error(String(error.message)))
      else open.get(message.id)?.resolve(isObject(result) ? result : {})
    } else if (message.method === 'Debugger.scriptParsed') onScript(params)
    else if (message.method === 'Debugger.paused') {
      const next = waiting.shift()
      if (next) next(params)
      else pauses.push(params)
    }
  })
  const closed = new Promise<void>(resolve => {
    socket.on('close', () => {
      for (const { reject } of open.values()) reject(new Error('The session ended'))
      resolve()
    })
  })
  await command('Runtime.enable')
  await command('Debugger.enable')
  return {
    command,
    closed,
    async breakAt(file, lines) {
      breakpoints.set(file, lines)
      await Promise.all((scripts.get(file) ?? []).map(script => setIn(file, script)))
    },
    async paused() {
      const early = pauses.shift()
      return pausedAt(early ?? (await new Promise<JsonObject>(resolve => waiting.push(resolve))))
    },
    cut: () => socket.terminate(),
    async [Symbol.asyncDispose]() {
      socket.close()
      await closed
    },
  }

  function command(method: string, params: JsonObject = {}): Promise<JsonObject> {
    const id = ++lastId
    const answer = Promise.withResolvers<JsonObject>()
    open.set(id, answer)
    socket.send(JSON.stringify({ id, method, params }))
    return answer.promise
  }

  function onScript({ scriptId, sourceMapURL }: JsonObject): void {
    const [, base64] = /^data:application\/json;base64,(.*)$/.exec(String(sourceMapURL)) ?? []
    if (base64 === undefined) return
    const payload = JSON.parse(Buffer.from(base64, 'base64').toString()) as ConstructorParameters<typeof SourceMap>[0] // made by the server
    const [path = ''] = payload.sources
    const map = new SourceMap(payload)
    const script = { id: String(scriptId), map }
    byId.set(script.id, { path, map })
    scripts.set(path, [...(scripts.get(path) ?? []), script])
    void setIn(path, script)
  }

  async function setIn(path: string, { id, map }: { readonly id: string; readonly map: SourceMap | null }): Promise<void> {
    for (const line of breakpoints.get(path) ?? []) {
      const place = placeOf(map, line)
      if (place) await command('Debugger.setBreakpoint', { location: { scriptId: id, ...place } })
    }
  }

  function pausedAt(params: JsonObject): Paused {
    const [frame] = Array.isArray(params.callFrames) ? params.callFrames.filter(isObject) : []
    assert(frame && isObject(frame.location))
    const { scriptId, lineNumber, columnNumber } = frame.location
    const script = byId.get(String(scriptId))
    const entry = script?.map.findEntry(Number(lineNumber), Number(columnNumber))
    return {
      path: script?.path ?? '',
      line: entry && 'originalLine' in entry ? entry.originalLine + 1 : 0,
      async evaluate(expression) {
        const { result } = await command('Debugger.evaluateOnCallFrame', {
          callFrameId: frame.callFrameId ?? null,
          expression,
          returnByValue: true,
        })
        return isObject(result) ? result.value : undefined
      },
      resume: async () => void (await command('Debugger.resume')),
    }
  }
}

/** The first place in JavaScript of a line in TypeScript: what no library of Node's gives. */
function placeOf(map: SourceMap | null, line: number): { readonly lineNumber: number; readonly columnNumber: number } | undefined {
  const { mappings = '' } = map?.payload ?? {}
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  let [, originalLine] = [0, 0]
  for (const [lineNumber, text] of mappings.split(';').entries()) {
    let columnNumber = 0
    for (const segment of text.split(',').filter(Boolean)) {
      const values: number[] = []
      let [value, shift] = [0, 0]
      for (const digit of segment) {
        const bits = digits.indexOf(digit)
        value |= (bits & 31) << shift
        shift += 5
        if (bits & 32) continue
        values.push(value & 1 ? -(value >> 1) : value >> 1)
        ;[value, shift] = [0, 0]
      }
      columnNumber += values[0] ?? 0
      originalLine += values[2] ?? 0
      if (originalLine === line - 1) return { lineNumber, columnNumber }
    }
  }
  return undefined
}
