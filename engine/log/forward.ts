// What a worker tells control of its log: warnings and errors always, so that the last words of a worker outlive it; the rest only while
// somebody follows. Bounded twice: by what waits here, and by what waits in the socket of a control process that does not read.

import type { LogBook } from './book.ts'
import { type Line, type LogFilter, levelOf, type Matches, matcherOf } from './filter.ts'
import { levels } from './level.ts'

export interface LineBatch {
  readonly lines: readonly Line[]
  /** Lines that would have been told and were too many. */
  readonly dropped: number
}

/** The way to control. */
export interface Way {
  send(batch: LineBatch): void
  /** Bytes that were sent and not taken yet. */
  readonly waitingBytes: number
}

const lingerMs = 100
const maxLines = 2_000
const maxLength = 1_000_000
const maxWaitingBytes = 4_000_000

export class Forwarder {
  readonly #book: LogBook
  #way: Way | null = null
  #matches: readonly Matches[] = []
  #lines: Line[] = []
  #length = 0
  #dropped = 0
  #timer: NodeJS.Timeout | null = null

  constructor(book: LogBook) {
    this.#book = book
    this.follow([])
  }

  /** Where lines go from here on; null while control is away: then they are in memory alone. */
  to(way: Way | null): void {
    this.#way = way
    this.#clear()
  }

  /** What somebody follows, besides warnings. */
  follow(filters: readonly LogFilter[]): void {
    this.#matches = filters.map(matcherOf)
    const level = Math.min(levels.warn, ...filters.map(filter => filter.level))
    this.#book.listen({ level, hear: lines => this.#hear(lines) })
  }

  /** Sends what waits. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const way = this.#way
    if (way === null) return this.#clear()
    if (this.#lines.length === 0 && this.#dropped === 0) return
    if (way.waitingBytes > maxWaitingBytes) {
      this.#dropped += this.#lines.length
      this.#lines = []
      this.#length = 0
      return
    }
    way.send({ lines: this.#lines, dropped: this.#dropped })
    this.#clear()
  }

  #clear(): void {
    this.#lines = []
    this.#length = 0
    this.#dropped = 0
  }

  #hear(lines: readonly Line[]): void {
    if (this.#way === null) return
    for (const line of lines) {
      if (levelOf(line.text) < levels.warn && !this.#matches.some(matches => matches(line.text))) continue
      if (this.#lines.length >= maxLines || this.#length >= maxLength) this.#dropped++
      else {
        this.#lines.push(line)
        this.#length += line.text.length
      }
    }
    if (this.#lines.length > 0 || this.#dropped > 0) this.#timer ??= setTimeout(() => this.flush(), lingerMs).unref()
  }
}
