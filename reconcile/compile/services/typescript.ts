// The parent's side of the TypeScript child: one question at a time, each with a deadline; a child that misses it or dies is
// killed and the next question starts another.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Asked, Question, QuestionKind, Told } from './child-protocol.ts'

/** The child took too long or died: what was asked cannot be worked out. */
export class CompilerEnded extends Error {
  readonly reason: 'deadline' | 'crash'
  /** Index of the file, wanted model or schema it was at; null where it had begun none. */
  readonly at: number | null

  constructor(reason: 'deadline' | 'crash', at: number | null) {
    super(`Cannot get an answer from the TypeScript compiler as ${reason === 'deadline' ? 'its deadline passed' : 'its process ended'}`)
    this.reason = reason
    this.at = at
  }
}

export type ReadTexts = (paths: readonly string[]) => Promise<Readonly<Record<string, string>>>

interface Pending {
  readonly asked: Asked
  readonly readTexts: ReadTexts
  readonly settle: (outcome: { answer: Answer[QuestionKind] } | { error: unknown }) => void
  at: number | null
  /** Called when a new child has loaded. */
  ready: () => void
}

const maxStartMs = 60_000
// Above what an estate of 2,000 files takes; a runaway type dies here and not with the machine.
const maxHeapMb = 1_536

export class TypeScript implements AsyncDisposable {
  readonly #deadlineMs: number
  readonly #codeCache: string | null
  #child: ChildProcess | null = null
  #pending: Pending | null = null
  #queue: Promise<unknown> = Promise.resolve()
  #nextId = 1
  #closed = false

  /** @param codeCache folder where the child keeps TypeScript itself as V8's bytecode, which halves its start; null: nowhere */
  constructor(deadlineMs: number, codeCache: string | null = null) {
    this.#deadlineMs = deadlineMs
    this.#codeCache = codeCache
  }

  /** @throws CompilerEnded where the child missed its deadline or died twice in a row over this question */
  ask<Kind extends QuestionKind>(kind: Kind, question: Question[Kind], readTexts: ReadTexts): Promise<Answer[Kind]> {
    const answered = this.#queue.then(() => this.#askWithRetry(kind, question, readTexts))
    this.#queue = answered.catch(() => undefined)
    return answered
  }

  /** Starts the child ahead of the first question. An idle one does not keep the program alive. */
  warm(): void {
    if (!this.#closed) this.#child ??= this.#start()
  }

  /** Process id of the child; null while none runs. */
  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /** Ends the child at once; a question under way is rejected. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    const child = this.#child
    if (!child) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.ref()
    child.kill('SIGKILL')
    await ended
    await this.#queue
  }

  async #askWithRetry<Kind extends QuestionKind>(kind: Kind, question: Question[Kind], readTexts: ReadTexts): Promise<Answer[Kind]> {
    try {
      return await this.#askOnce(kind, question, readTexts)
    } catch (error) {
      // A death may have come from outside; the same question is given one more child. A deadline is the question's own.
      if (!(error instanceof CompilerEnded) || error.reason === 'deadline') throw error
      return await this.#askOnce(kind, question, readTexts)
    }
  }

  async #askOnce<Kind extends QuestionKind>(kind: Kind, question: Question[Kind], readTexts: ReadTexts): Promise<Answer[Kind]> {
    if (this.#closed) throw new Error('Cannot ask the TypeScript compiler as it is closed')
    const { promise, resolve, reject } = Promise.withResolvers<Answer[QuestionKind]>()
    const asked: Asked = { id: this.#nextId++, kind, question, texts: {} }
    const pending: Pending = {
      asked,
      readTexts,
      at: null,
      ready: () => undefined,
      settle: outcome => ('answer' in outcome ? resolve(outcome.answer) : reject(outcome.error)),
    }
    const expire = () => {
      this.#kill()
      pending.settle({ error: new CompilerEnded('deadline', pending.at) })
    }
    // Loading the compiler is not the question's fault, however busy the machine is.
    let deadline = setTimeout(expire, this.#child ? this.#deadlineMs : maxStartMs)
    pending.ready = () => {
      clearTimeout(deadline)
      deadline = setTimeout(expire, this.#deadlineMs)
    }
    this.#pending = pending
    try {
      this.#send(asked)
      return (await promise) as Answer[Kind] // the child answers by the kind it was asked
    } finally {
      clearTimeout(deadline)
      this.#pending = null
    }
  }

  #send(asked: Asked): void {
    this.#child ??= this.#start()
    // A child that dies meanwhile is told by its `exit`.
    this.#child.send(asked, () => undefined)
  }

  #start(): ChildProcess {
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const child = fork(fileURLToPath(new URL(`./typescript-child.${ending}`, import.meta.url)), [], {
      execArgv: [`--max-old-space-size=${maxHeapMb}`],
      env: this.#codeCache === null ? {} : { NODE_COMPILE_CACHE: this.#codeCache },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    child.on('message', (told: Told) => this.#hear(told))
    const ended = () => {
      if (this.#child !== child) return
      this.#child = null
      this.#pending?.settle({ error: new CompilerEnded('crash', this.#pending.at) })
    }
    child.on('exit', ended)
    child.on('error', ended)
    child.unref()
    child.channel?.unref()
    return child
  }

  #hear(told: Told): void {
    const pending = this.#pending
    if (told.kind === 'ready') return pending?.ready()
    if (pending?.asked.id !== told.id) return
    if (told.kind === 'begins') pending.at = told.index
    if (told.kind === 'answer') pending.settle({ answer: told.answer })
    if (told.kind === 'failed') pending.settle({ error: new Error(`Cannot compile as the TypeScript child failed: ${told.reason}`) })
    if (told.kind === 'needs')
      pending.readTexts(told.paths).then(
        texts => this.#pending === pending && this.#send({ ...pending.asked, texts }),
        error => pending.settle({ error }),
      )
  }

  #kill(): void {
    const child = this.#child
    this.#child = null
    child?.kill('SIGKILL')
  }
}
