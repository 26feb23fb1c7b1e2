// The newest lines of a process, in memory: bounded by their number and their size. A chunk may hold many lines, as those of requests are
// put in by the hundred.

import type { Line, Matches } from './filter.ts'

export interface RingOptions {
  /** Makes the keys of its lines unlike those of any other ring. */
  readonly prefix: string
  readonly maxLines: number
  /** Of text in memory, in characters or bytes. */
  readonly maxLength: number
}

interface Chunk {
  /** Number of its first line. */
  readonly first: number
  readonly lines: number
  /** Each line ends with a newline. */
  readonly text: string | Buffer
}

export class LogRing {
  readonly #options: RingOptions
  readonly #chunks: Chunk[] = []
  #count = 0
  #lines = 0
  #length = 0

  constructor(options: RingOptions) {
    this.#options = options
  }

  /** Takes `lines` lines. @returns number of the first of them */
  push(text: string | Buffer, lines: number): number {
    const first = this.#count
    this.#chunks.push({ first, lines, text })
    this.#count += lines
    this.#lines += lines
    this.#length += text.length
    const { maxLines, maxLength } = this.#options
    // The newest chunk stays, whatever its size.
    while ((this.#lines > maxLines || this.#length > maxLength) && this.#chunks.length > 1) {
      const oldest = this.#chunks.shift()
      this.#lines -= oldest?.lines ?? 0
      this.#length -= oldest?.text.length ?? 0
    }
    return first
  }

  keyOf(number: number): string {
    return `${this.#options.prefix}${number}`
  }

  /** At most `limit` of the lines that match, the newest, oldest first. */
  newest(matches: Matches, limit: number): Line[] {
    const found: Line[] = []
    for (let at = this.#chunks.length - 1; at >= 0 && found.length < limit; at--) {
      const chunk = this.#chunks[at]
      if (chunk === undefined) break
      const texts = linesIn(chunk.text)
      for (let line = texts.length - 1; line >= 0 && found.length < limit; line--) {
        const text = texts[line] ?? ''
        if (matches(text)) found.push({ key: this.keyOf(chunk.first + line), text })
      }
    }
    return found.reverse()
  }
}

/** The lines of a text of which each ends with a newline. */
export function linesIn(text: string | Buffer): string[] {
  const lines = text.toString().split('\n')
  lines.pop()
  return lines
}
