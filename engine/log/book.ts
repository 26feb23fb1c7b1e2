// What a process has to say, and where it goes: to standard output, into the rings that `plumb logs` reads, and to whoever follows.
// Warnings, lines of requests and all others have a ring each, so that none washes out another.

import { type Access, createAccessLines } from './access.ts'
import { type Line, type LogFilter, matcherOf, mergeLines } from './filter.ts'
import { levelName, levels } from './level.ts'
import type { Output } from './output.ts'
import { plainLine } from './plain.ts'
import { LogRing, linesIn } from './ring.ts'

export interface BookOptions {
  /** Which process writes. */
  readonly process: string
  /** Of the process, unlike any other: in the keys of its lines. */
  readonly life: string
  readonly output: Output
  /** Plain lines for people. */
  readonly human: boolean
  /** Where the lines of requests go. */
  readonly access: 'output' | 'memory' | 'nowhere'
}

/** Is told lines of `level` and above, as they are written. */
export interface Listener {
  readonly level: number
  hear(lines: readonly Line[]): void
}

const maxLines = 2_000
/** Lines of requests are short. */
const maxAccessLines = 10_000
const maxLength = 2_000_000
const lingerMs = 100
/** Far more than the longest line. */
const batchBytes = 65_536

export class LogBook {
  readonly process: string
  readonly #options: BookOptions
  readonly #warnings: LogRing
  readonly #lines: LogRing
  readonly #accessLines: LogRing
  readonly #counts = new Map<string, number>()
  readonly #accessLine: (access: Access, time: number) => string
  /** Lines of requests that wait for others: in bytes at once, as a text of that many pieces costs more than the pieces. */
  #access: Buffer | null = null
  #accessLength = 0
  #accessCount = 0
  #timer: NodeJS.Timeout | null = null
  #listener: Listener | null = null

  constructor(options: BookOptions) {
    this.process = options.process
    this.#options = options
    this.#warnings = new LogRing({ prefix: `${options.life}.w`, maxLines, maxLength })
    this.#lines = new LogRing({ prefix: `${options.life}.`, maxLines, maxLength })
    this.#accessLines = new LogRing({ prefix: `${options.life}.a`, maxLines: maxAccessLines, maxLength })
    this.#accessLine = createAccessLines(options.process)
  }

  /** Takes a line with its newline. */
  write(level: number, text: string): void {
    this.#count(levelName(level), 1)
    const { output, human } = this.#options
    output.write(human ? plainLine(text) : text, { lines: 1, isUrgent: level >= levels.warn })
    const ring = level >= levels.warn ? this.#warnings : this.#lines
    const number = ring.push(text, 1)
    if (this.#listener !== null && level >= this.#listener.level)
      this.#listener.hear([{ key: ring.keyOf(number), text: text.slice(0, -1) }])
  }

  /** Takes a request that was answered. */
  writeAccess(access: Access): void {
    if (this.#options.access === 'nowhere') return
    this.#access ??= Buffer.allocUnsafeSlow(batchBytes)
    const line = this.#accessLine(access, Date.now())
    // A character has three bytes at most.
    if (this.#accessLength + 3 * line.length > batchBytes) this.settle()
    this.#accessLength += this.#access.write(line, this.#accessLength)
    this.#accessCount++
    this.#timer ??= setTimeout(() => this.settle(), lingerMs).unref()
  }

  /** Puts the lines of requests, which wait for others, where they belong. */
  settle(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const lines = this.#accessCount
    if (this.#access === null || lines === 0) return
    const bytes = Buffer.from(this.#access.subarray(0, this.#accessLength))
    this.#accessLength = 0
    this.#accessCount = 0
    this.#count('info', lines)
    if (this.#options.access === 'output') this.#options.output.write(bytes, { lines, isUrgent: true })
    const first = this.#accessLines.push(bytes, lines)
    if (this.#listener !== null && levels.info >= this.#listener.level)
      this.#listener.hear(linesIn(bytes).map((line, at) => ({ key: this.#accessLines.keyOf(first + at), text: line })))
  }

  /** At most `limit` of the lines in memory that match, the newest, oldest first. */
  newest(filter: LogFilter, limit: number): Line[] {
    this.settle()
    const matches = matcherOf(filter)
    const rings = [this.#warnings, this.#lines, this.#accessLines]
    return mergeLines(rings.map(ring => ring.newest(matches, limit))).slice(-limit)
  }

  /** In place of the listener before. */
  listen(listener: Listener | null): void {
    this.settle()
    this.#listener = listener
  }

  /** Lines written since the start, by the name of their level. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts
  }

  #count(level: string, lines: number): void {
    this.#counts.set(level, (this.#counts.get(level) ?? 0) + lines)
  }
}
