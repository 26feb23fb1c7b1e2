// The logs of all processes of a server, as control has them: its own, those that workers are asked for, and the warnings that workers told,
// which are kept when a worker is not there any more.

import type { LogBook } from './book.ts'
import { type Line, type LogFilter, matcherOf, mergeLines } from './filter.ts'
import type { LineBatch } from './forward.ts'
import { levels } from './level.ts'

/** The workers, as they are asked for their lines. */
export interface LogWorkers {
  /** `lines` null: it did not answer. */
  logs(filter: LogFilter, limit: number): Promise<readonly { readonly worker: number; readonly lines: readonly Line[] | null }[]>
  follow(filters: readonly LogFilter[]): void
}

/** Is told lines that match as they come, and how many were left out as they were too many. */
export type OnLines = (lines: readonly Line[], dropped: number) => void

/** The part that is read. */
export type Logs = Pick<LogHub, 'query' | 'subscribe'>

const maxKept = 2_000
const maxKeptLength = 2_000_000

export class LogHub {
  readonly #book: LogBook
  readonly #kept: Line[] = []
  #keptLength = 0
  readonly #followers = new Map<OnLines, { readonly filter: LogFilter; readonly matches: (text: string) => boolean }>()
  #workers: LogWorkers | null = null

  constructor(book: LogBook) {
    this.#book = book
  }

  /** From here on there are workers. */
  attach(workers: LogWorkers): void {
    this.#workers = workers
  }

  /** What is followed, for a worker that comes up. */
  followed(): readonly LogFilter[] {
    return [...this.#followers.values()].map(({ filter }) => filter)
  }

  /** What a worker told by itself. */
  take({ lines, dropped }: LineBatch): void {
    const warnings = matcherOf({ level: levels.warn })
    for (const line of lines) if (warnings(line.text)) this.#keep(line)
    this.#tell(lines, dropped)
  }

  /** At most `limit` of the lines that match, the newest, oldest first. `missing`: processes that did not answer. */
  async query(filter: LogFilter, limit: number): Promise<{ readonly lines: readonly Line[]; readonly missing: readonly string[] }> {
    const answers = (await this.#workers?.logs(filter, limit)) ?? []
    const lists = answers.flatMap(({ lines }) => (lines === null ? [] : [lines]))
    const known = new Set(lists.flat().map(({ key }) => key))
    const matches = matcherOf(filter)
    const kept = this.#kept.filter(({ key, text }) => !known.has(key) && matches(text))
    const missing = answers.filter(({ lines }) => lines === null).map(({ worker }) => `worker ${worker}`)
    return { lines: mergeLines([this.#book.newest(filter, limit), ...lists, kept]).slice(-limit), missing }
  }

  /** @returns the function that ends it */
  subscribe(filter: LogFilter, hear: OnLines): () => void {
    this.#followers.set(hear, { filter, matches: matcherOf(filter) })
    this.#follow()
    return () => {
      if (this.#followers.delete(hear)) this.#follow()
    }
  }

  #follow(): void {
    const filters = this.followed()
    const level = Math.min(...filters.map(filter => filter.level))
    this.#book.listen(filters.length === 0 ? null : { level, hear: lines => this.#tell(lines, 0) })
    this.#workers?.follow(filters)
  }

  #tell(lines: readonly Line[], dropped: number): void {
    for (const [hear, { matches }] of this.#followers) {
      const found = lines.filter(({ text }) => matches(text))
      if (found.length > 0 || dropped > 0) hear(found, dropped)
    }
  }

  #keep(line: Line): void {
    this.#kept.push(line)
    this.#keptLength += line.text.length
    while (this.#kept.length > maxKept || this.#keptLength > maxKeptLength) this.#keptLength -= this.#kept.shift()?.text.length ?? 0
  }
}
