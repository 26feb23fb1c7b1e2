// Contents of blobs out of the bare clone, through one long-lived `git cat-file --batch`. Every content is hashed again, so that a
// damaged object is noticed before it is compiled.

import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createHash } from 'node:crypto'
import { SourceError } from './source-error.ts'
import { killGroup, startGit } from './spawn.ts'

interface Waiting {
  readonly id: string
  readonly bytes: number
  resolve(content: Uint8Array): void
  reject(error: Error): void
}

const answerMs = 30_000

export class Objects implements AsyncDisposable {
  readonly #gitDir: string
  #child: ChildProcessWithoutNullStreams | undefined
  #waiting: Waiting[] = []
  #chunks: Buffer[] = []
  #length = 0
  #timer: NodeJS.Timeout | undefined

  constructor(gitDir: string) {
    this.#gitDir = gitDir
  }

  /** @param bytes what the tree said the size is; another size is damage. @throws SourceError `corrupt`, `timeout` */
  read(id: string, bytes: number): Promise<Uint8Array> {
    const child = this.#start()
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, bytes, resolve, reject })
      this.#timer ??= setTimeout(
        () => this.#fail(new SourceError('timeout', 'Cannot read objects as git cat-file does not answer')),
        answerMs,
      )
      child.stdin.write(`${id}\n`)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const closed = new Promise(resolve => child.once('close', resolve))
    this.#fail(new SourceError('timeout', 'Cannot read objects as the source is closed'))
    await closed
  }

  #start(): ChildProcessWithoutNullStreams {
    if (this.#child) return this.#child
    const child = startGit({ args: ['cat-file', '--batch'], gitDir: this.#gitDir, protocols: 'none' })
    this.#child = child
    const lost = (cause: unknown) => {
      if (this.#child === child) this.#fail(new SourceError('corrupt', 'Cannot read objects as git cat-file ended', { cause }))
    }
    child.on('error', lost)
    child.on('close', status => lost(new Error(`exit status ${status}`)))
    child.stdin.on('error', lost)
    child.stderr.resume()
    child.stdout.on('data', (chunk: Buffer) => {
      if (this.#child === child) this.#take(chunk)
    })
    return child
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    const first = this.#waiting[0]
    // Joined only when the answer can be complete, so that a large blob is not copied once per chunk.
    if (first && this.#length < first.bytes && !chunk.includes('missing')) return
    let held = Buffer.concat(this.#chunks)
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const answer = answerIn(held, next)
      if (answer === undefined) break
      if (answer instanceof SourceError) return this.#fail(answer)
      this.#waiting.shift()
      held = held.subarray(answer.taken)
      next.resolve(answer.content)
    }
    this.#chunks = [held]
    this.#length = held.length
    if (this.#waiting.length === 0) {
      clearTimeout(this.#timer)
      this.#timer = undefined
    } else this.#timer?.refresh()
  }

  #fail(error: SourceError): void {
    const child = this.#child
    const waiting = this.#waiting
    this.#child = undefined
    this.#waiting = []
    this.#chunks = []
    this.#length = 0
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (child) killGroup(child)
    for (const one of waiting) one.reject(error)
  }
}

/** git's name for `content`: the hash over `blob <bytes>\0<content>`, SHA-1 or SHA-256 by the length of `like`. */
export function blobId(content: Uint8Array, like: 40 | 64 = 40): string {
  return createHash(like === 40 ? 'sha1' : 'sha256')
    .update(`blob ${content.length}\0`)
    .update(content)
    .digest('hex')
}

function answerIn(held: Buffer, asked: Waiting): { content: Uint8Array; taken: number } | SourceError | undefined {
  const lineEnd = held.indexOf(10)
  if (lineEnd < 0) return undefined
  const line = held.toString('latin1', 0, lineEnd)
  if (line !== `${asked.id} blob ${asked.bytes}`) return damaged(asked.id)
  const end = lineEnd + 1 + asked.bytes
  if (held.length < end + 1) return undefined
  const content = new Uint8Array(held.subarray(lineEnd + 1, end))
  if (blobId(content, asked.id.length === 64 ? 64 : 40) !== asked.id) return damaged(asked.id)
  return { content, taken: end + 1 }
}

function damaged(id: string): SourceError {
  return new SourceError('corrupt', `Cannot read object ${id} as the local clone is damaged; it is made anew with the next fetch`)
}
