import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'vitest'
import { type Link, openLink } from '../../../engine/process/link.ts'
import type { JsonObject } from '../../../schema/json.ts'
import { temporaryDirectory } from '../../directory.ts'
import { until } from '../../until.ts'

/** A process that takes debuggers and calls `work` again and again. */
async function debuggable(atEnd = '') {
  const home = await temporaryDirectory()
  const folder = join(import.meta.dirname, '../../../engine/debug')
  const script = `
    import { createRelay } from ${JSON.stringify(join(folder, 'relay.ts'))}
    import { Pauses } from ${JSON.stringify(join(folder, 'pauses.ts'))}
    import { Script } from 'node:vm'
    const pauses = new Pauses()
    const relay = createRelay({ dataDirectory: ${JSON.stringify(home.path)}, life: '1', pauses })
    const work = new Script('(function work() {\\n  const answer = 42\\n  return answer\\n})', { filename: '/estate/work.ts' }).runInThisContext()
    await relay.open()
    process.stdout.write('open\\n')
    setInterval(() => process.stdout.write(work() + ' ' + pauses.count + '\\n'), 20)
    ${atEnd}`
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] })
  let written = ''
  let complained = ''
  child.stdout?.on('data', text => {
    written += text
  })
  child.stderr?.on('data', text => {
    complained += text
  })
  const ended = once(child, 'exit')
  await until(() => written.includes('open'), 'A relay', 30_000)
  return {
    child,
    ended,
    complained: () => complained,
    lines: () => written.split('\n').length,
    session: () => attach(join(home.path, 'debug-1.sock')),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await home[Symbol.asyncDispose]()
    },
  }
}

async function attach(path: string) {
  const socket = connect(path)
  await once(socket, 'connect')
  const heard: JsonObject[] = []
  const states: JsonObject[] = []
  const link: Link = openLink(socket, {
    message: (message: JsonObject) => heard.push(message),
    state: (state: JsonObject) => states.push(state),
  })
  let lastId = 0
  return {
    link,
    heard,
    states,
    async post(method: string, params: JsonObject = {}): Promise<JsonObject> {
      const id = ++lastId
      link.notify('message', { id, method, params })
      await until(() => heard.some(message => message.id === id), `An answer to ${method}`)
      return heard.find(message => message.id === id) ?? {}
    },
    paused: () => until(() => heard.some(({ method }) => method === 'Debugger.paused'), 'A pause'),
  }
}

test('a session breaks, evaluates while the main thread stands, and lets it go on', async () => {
  await using debugged = await debuggable()
  const session = await debugged.session()
  await session.post('Debugger.enable')
  await session.post('Debugger.setBreakpointByUrl', { url: 'file:///estate/work.ts', lineNumber: 2 })
  await session.paused()
  const stood = debugged.lines()
  const { params } = session.heard.find(({ method }) => method === 'Debugger.paused') as {
    params: { callFrames: { callFrameId: string }[] }
  } // the protocol
  const { result } = await session.post('Debugger.evaluateOnCallFrame', {
    callFrameId: params.callFrames[0]?.callFrameId ?? '',
    expression: 'answer',
  })
  assert.deepEqual((result as JsonObject).result, { type: 'number', value: 42, description: '42' })
  assert.equal(debugged.lines(), stood)
  assert.deepEqual(session.states, [
    { isPaused: false, count: 0 },
    { isPaused: true, count: 1 },
  ])
  await session.post('Debugger.disable')
  await until(() => debugged.lines() > stood, 'The next line')
  assert.deepEqual(session.states.at(-1), { isPaused: false, count: 1 })
})

test('a session that is cut off while the main thread stands lets it go on, without its breakpoints', async () => {
  await using debugged = await debuggable()
  const session = await debugged.session()
  await session.post('Debugger.enable')
  await session.post('Debugger.setBreakpointByUrl', { url: 'file:///estate/work.ts', lineNumber: 2 })
  await session.paused()
  const stood = debugged.lines()
  session.link.close()
  await until(() => debugged.lines() > stood + 3, 'More lines')
})

test('what the inspector refuses is an error of the protocol, and threads are not for debuggers', async () => {
  await using debugged = await debuggable()
  const session = await debugged.session()
  assert.deepEqual(await session.post('Nothing.there'), { id: 1, error: { code: -32_601, message: "'Nothing.there' wasn't found" } })
  assert.deepEqual(await session.post('NodeWorker.enable', { waitForDebuggerOnStart: true }), { id: 2, result: {} })
})

test('a process that ends lets its debuggers go first, and says nothing of them', async () => {
  await using debugged = await debuggable(`process.on('exit', () => relay.close()); setTimeout(() => process.exit(0), 700)`)
  const session = await debugged.session()
  await session.post('Debugger.enable')
  await debugged.ended
  await session.link.closed
  assert.equal(debugged.complained(), '')
})
