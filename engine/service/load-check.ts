// Loads service code where it can do no harm, before a worker does: in a child process of its own group that is killed when
// it takes too long. Children are started ahead, so that a check costs the loading and not the start of a process.

import { type ChildProcess, spawn } from 'node:child_process'
import { extname } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Module } from '../../schema/resource.ts'
import type { LoadCode } from './load-error.ts'
import type { CodePosition } from './source-map.ts'

export interface CheckedService {
  readonly name: string
  /** Path in the tree of the file that exports it. */
  readonly path: string
  readonly exportName: string
}

export interface CheckRequest {
  readonly services: readonly CheckedService[]
  /** Every module the services import, their own included. */
  readonly modules: readonly Module[]
  /** Directory whose `node_modules` holds the npm libraries; null where there are none. */
  readonly dependencies: string | null
  readonly signal?: AbortSignal
}

export interface LoadProblem extends CodePosition {
  readonly service: string
  readonly code: LoadCode
  /** A whole sentence. */
  readonly message: string
}

export interface LoadCheckerOptions {
  /** Milliseconds one check may take, all of its services together. Default 10,000. */
  readonly deadlineMs?: number
  /** Heap of the child in MB. Default 256. */
  readonly heapMb?: number
  /** Children that wait for the next check, 1 at least. With two, a check right after another waits for no start either. Default 1. */
  readonly spares?: number
  /** Folder where children keep their own code as V8's bytecode, which cuts their start to a third; default null: nowhere. */
  readonly codeCache?: string | null
}

export interface LoadChecker extends AsyncDisposable {
  /** What is wrong with loading each service; empty where all load. Rejects only with the signal's reason, or where no child can be started. */
  check(request: CheckRequest): Promise<readonly LoadProblem[]>
  /** Starts the children that wait. Without it the first check starts its own. */
  warm(): void
}

/** What the child is sent. */
export type ChildRequest = Omit<CheckRequest, 'signal'>

/** What the child says. */
export type CheckLine =
  | { readonly kind: 'ready' }
  | { readonly kind: 'loading'; readonly index: number }
  | { readonly kind: 'problem'; readonly index: number; readonly code: LoadCode; readonly reason: string; readonly at: CodePosition }
  | { readonly kind: 'done' }

const startDeadlineMs = 10_000
/** After a check, so that the start of the next child takes nothing from the apply the check was for. */
const renewMs = 300

// The reasons of the other codes say themselves what to do.
const nextSteps: Readonly<Partial<Record<LoadCode, string>>> = {
  SERVICE_LOAD_EXITED: '; a file only declares, its work belongs into `handle`',
  SERVICE_LOAD_FAILED: '; what may fail belongs into `handle`',
  SERVICE_LOAD_REJECTED: '; await it in `handle`',
  SERVICE_LOAD_TIMEOUT: '; a file only declares, its work belongs into `handle`',
}

export function createLoadChecker(options: LoadCheckerOptions = {}): LoadChecker {
  const { deadlineMs = 10_000, heapMb = 256, spares = 1, codeCache = null } = options
  const running = new Set<Child>()
  const start = () => {
    const child = new Child(heapMb, codeCache)
    running.add(child)
    child.ended.then(() => running.delete(child))
    return child
  }
  const waiting: Child[] = []
  const renewals = new Set<NodeJS.Timeout>()
  const renew = () => {
    for (const renewal of renewals) clearTimeout(renewal)
    renewals.clear()
    while (waiting.length < spares) waiting.push(start())
  }

  return {
    warm: renew,
    async check({ signal, ...request }) {
      signal?.throwIfAborted()
      if (request.services.length === 0) return []
      // A spare that died while it waited is replaced.
      const spare = waiting.shift()
      const child = spare === undefined || spare.hasEnded ? start() : spare
      const abort = () => child.kill('aborted')
      signal?.addEventListener('abort', abort, { once: true })
      try {
        return await child.check(request, deadlineMs)
      } finally {
        signal?.removeEventListener('abort', abort)
        child.kill('done')
        renewals.add(setTimeout(renew, renewMs))
        signal?.throwIfAborted()
      }
    },
    async [Symbol.asyncDispose]() {
      for (const renewal of renewals) clearTimeout(renewal)
      for (const child of running) child.kill('closed')
      await Promise.all([...running].map(child => child.ended))
    },
  }
}

class Child {
  readonly #process: ChildProcess
  readonly ended: Promise<void>
  #killedAs: 'deadline' | 'aborted' | 'done' | 'closed' | null = null
  #end: { code: number | null; signal: NodeJS.Signals | null; error: Error | null } | null = null
  #stderr = ''

  constructor(heapMb: number, codeCache: string | null) {
    // Named like this file: TypeScript when run from source, JavaScript when built.
    const entry = fileURLToPath(new URL(`./load-check-child${extname(import.meta.url)}`, import.meta.url))
    this.#process = spawn(process.execPath, [`--max-old-space-size=${heapMb}`, '--no-warnings', entry], {
      cwd: '/',
      // Nothing of the server's environment: code that is loaded for the first time gets no secrets.
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        LANG: 'C.UTF-8',
        TZ: process.env.TZ ?? 'UTC',
        ...(codeCache === null ? {} : { NODE_COMPILE_CACHE: codeCache }),
      },
      // A group of its own, so that what it starts is killed with it.
      detached: true,
      stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    })
    this.#process.stderr?.setEncoding('utf8').on('data', text => {
      this.#stderr = (this.#stderr + text).slice(-4_000)
    })
    // A child that died while it was written to is reported by its end.
    this.#process.stdin?.on('error', () => null)
    this.ended = new Promise(resolve => {
      this.#process.once('error', error => {
        this.#end ??= { code: null, signal: null, error }
        resolve()
      })
      this.#process.once('close', (code, signal) => {
        this.#end ??= { code, signal, error: null }
        resolve()
      })
    })
  }

  get hasEnded(): boolean {
    return this.#end !== null
  }

  kill(reason: 'deadline' | 'aborted' | 'done' | 'closed'): void {
    this.#killedAs ??= reason
    const { pid } = this.#process
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch (error) {
      // ESRCH: the whole group has ended already.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }

  async check(request: ChildRequest, deadlineMs: number): Promise<readonly LoadProblem[]> {
    const { services } = request
    const problems: LoadProblem[] = []
    const add = (index: number, code: LoadCode, { reason, at }: { reason: string; at?: CodePosition }) => {
      const service = services[index]
      if (service === undefined) return
      const place = at ?? { path: service.path, line: 1, column: 1 }
      problems.push({
        service: service.name,
        code,
        message: `Cannot load service "${service.name}" as ${reason}${nextSteps[code] ?? ''}`,
        ...place,
      })
    }
    let current = 0
    let isDone = false
    // The start of a process is not the code's: its time counts from when the child is ready.
    let timer = setTimeout(() => this.kill('deadline'), startDeadlineMs + deadlineMs)
    this.#process.stdin?.end(JSON.stringify(request))
    try {
      for await (const text of createInterface({ input: this.#lines() })) {
        const line = parseLine(text)
        if (line === null) continue
        if (line.kind === 'ready') {
          clearTimeout(timer)
          timer = setTimeout(() => this.kill('deadline'), deadlineMs)
        }
        if (line.kind === 'loading') current = line.index
        if (line.kind === 'problem') add(line.index, line.code, line)
        isDone = line.kind === 'done'
        if (isDone) break
      }
    } finally {
      clearTimeout(timer)
    }
    if (isDone) return problems
    await this.ended
    if (this.#end?.error) throw new Error('Cannot check service code as no process can be started for it', { cause: this.#end.error })
    if (this.#killedAs === 'deadline')
      add(current, 'SERVICE_LOAD_TIMEOUT', { reason: `its code did not end within ${deadlineMs / 1000} s` })
    else if (!problems.some(({ code }) => code === 'SERVICE_LOAD_EXITED'))
      add(current, 'SERVICE_LOAD_EXITED', { reason: this.#howItEnded() })
    return problems
  }

  #lines(): Readable {
    return this.#process.stdio[3] as Readable // the fourth entry of stdio above is a pipe
  }

  #howItEnded(): string {
    if (/heap out of memory|Allocation failed/.test(this.#stderr)) return 'its code uses more memory than a check may'
    const { code, signal } = this.#end ?? { code: null, signal: null }
    return signal === null ? `its code ends the process with code ${code}` : `its code ends the process by ${signal}`
  }
}

/** Null for what is no line of ours: the code may write to any descriptor it likes. */
function parseLine(text: string): CheckLine | null {
  try {
    const line: CheckLine | null = JSON.parse(text)
    return line !== null && typeof line === 'object' ? line : null
  } catch {
    // Not JSON, so not from the child's own code.
    return null
  }
}
