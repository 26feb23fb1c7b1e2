// The parent's side of the parse process: a queue of files, a deadline for each, and a new process in place of one that was killed.

import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cpuTimeMs } from './cpu-time.ts'
import type { Refusal } from './document.ts'

export interface ParserOptions {
  /** Most processor time one file may take; then its process is killed and the file is refused. Default 2000. */
  readonly deadlineMs?: number
}

/** `text` is a `Parsed` as JSON. An answer that is not `complete` says nothing about the file for good and must not be cached. */
export interface ParseAnswer {
  readonly text: string
  readonly complete: boolean
}

interface Job {
  readonly id: number
  readonly bytes: Uint8Array
  readonly settle: (answer: ParseAnswer) => void
  /** Its process was lost once before, for a reason of its own or of the machine. */
  readonly isRetry: boolean
}

/** Starts its process with the first file and keeps it; an idle one does not keep the program alive. */
export class Parser {
  readonly #deadlineMs: number
  readonly #waiting: Job[] = []
  #running: Job[] = []
  #child: ChildProcess | null = null
  #hasAnswered = false
  #timer: NodeJS.Timeout | null = null
  #nextId = 0
  #closed = false

  constructor(options: ParserOptions = {}) {
    this.#deadlineMs = options.deadlineMs ?? 2000
  }

  parse(bytes: Uint8Array): Promise<ParseAnswer> {
    if (this.#closed) return Promise.reject(new Error('Cannot parse as the parser is closed'))
    return new Promise(settle => {
      this.#waiting.push({ id: this.#nextId++, bytes, settle, isRetry: false })
      this.#fill()
    })
  }

  /** Starts the process ahead of the first file, so that one changed file does not wait for it. */
  warm(): void {
    if (this.#child || this.#closed) return
    this.#started()
    this.#watch()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    const child = this.#child
    if (!child) return
    const exited = new Promise(resolve => child.once('exit', resolve))
    child.ref()
    child.kill('SIGKILL')
    await exited
  }

  /** Keeps a few files under way, so that the process never waits for the next one. */
  #fill(): void {
    while (this.#running.length < inFlight) {
      const job = this.#waiting.shift()
      if (!job) break
      this.#running.push(job)
      const child = this.#started()
      child.send({ id: job.id, bytes: job.bytes }, error => error && this.#lost(child))
    }
    this.#watch()
  }

  #started(): ChildProcess {
    if (this.#child) return this.#child
    const child = fork(childFile, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      // Almost nothing outlives its file: with room from the beginning it is thrown away instead of being copied, a tenth of all work.
      execArgv: ['--max-old-space-size=512', '--min-semi-space-size=16', '--disable-warning=ExperimentalWarning'],
      env: {},
    })
    child.on('message', message => this.#answered(message as { id: number; text: string })) // sent by parse-child.ts only
    child.once('exit', () => this.#lost(child))
    child.once('error', () => this.#lost(child))
    this.#child = child
    return child
  }

  #answered({ id, text }: { id: number; text: string }): void {
    const job = this.#running.find(running => running.id === id)
    if (!job) return
    this.#running = this.#running.filter(running => running !== job)
    this.#hasAnswered = true
    job.settle({ text, complete: true })
    this.#fill()
  }

  /** The deadline is that of the oldest file under way: the process answers in order. */
  #watch(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    const busy = this.#running.length > 0
    const limitMs = this.#deadlineMs + (this.#hasAnswered ? 0 : startMs)
    if (busy) this.#expireAfter(limitMs, { limitMs, since: performance.now(), cpuMs: this.#cpuTime() })
    if (busy) {
      this.#child?.ref()
      this.#child?.channel?.ref()
    } else {
      this.#child?.unref()
      this.#child?.channel?.unref()
    }
  }

  /** A process that was not let to work goes on, up to a point. */
  #expireAfter(ms: number, work: { readonly limitMs: number; readonly since: number; readonly cpuMs: number | null }): void {
    this.#timer = setTimeout(() => {
      const cpuMs = this.#cpuTime()
      // Where nothing is known, what counts is the clock on the wall.
      const workedMs = cpuMs === null || work.cpuMs === null ? work.limitMs : cpuMs - work.cpuMs
      const isHeldUp = workedMs < work.limitMs && performance.now() - work.since < work.limitMs * patience
      if (isHeldUp) this.#expireAfter(Math.max(work.limitMs - workedMs, leastMs), work)
      else this.#expire()
    }, ms)
  }

  #cpuTime(): number | null {
    return this.#child?.pid === undefined ? null : cpuTimeMs(this.#child.pid)
  }

  #expire(): void {
    const [slow, ...others] = this.#running
    this.#running = others
    slow?.settle(refusedAsSlow)
    this.#child?.kill('SIGKILL')
  }

  /** The process is gone: what it worked on is tried once more, as the machine may have killed it; the others go on in a new process. */
  #lost(child: ChildProcess): void {
    if (child !== this.#child) return
    this.#child = null
    this.#hasAnswered = false
    child.kill('SIGKILL')
    const [culprit, ...innocent] = this.#running
    this.#running = []
    this.#waiting.unshift(...innocent)
    if (culprit?.isRetry) culprit.settle(refusedAsSlow)
    else if (culprit) this.#waiting.unshift({ ...culprit, isRetry: true })
    if (this.#closed) for (const job of this.#waiting.splice(0)) job.settle(refusedAsSlow)
    this.#fill()
  }
}

const inFlight = 4
// A new process needs this long before it reads its first file, even on a busy machine.
const startMs = 3000
/** So many times its limit a process may sit there without working: then it is stuck, whatever holds it. */
const patience = 10
const leastMs = 50

const childFile = fileURLToPath(new URL(`./parse-child${extname(import.meta.url)}`, import.meta.url))

const tooSlow: Refusal = {
  code: 'YAML_LIMIT',
  message: 'Cannot read this file as parsing it took too long and was stopped; make it smaller or split it',
  line: 1,
  column: 1,
}

const refusedAsSlow: ParseAnswer = { text: JSON.stringify({ kind: 'refused', refusals: [tooSlow] }), complete: false }
