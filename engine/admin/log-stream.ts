// One client's part of the log, as it is written: first what is in memory, then what comes. A client that is too slow for its buffer is told
// how many lines it missed; nothing piles up.

import type { Line, LogFilter } from '../log/filter.ts'
import type { Logs } from '../log/hub.ts'
import type { StreamLife } from './route.ts'
import { openSse } from './sse.ts'

export interface LogStreamOptions extends Omit<StreamLife, 'lastEventId'> {
  readonly filter: LogFilter
  /** How many of the lines in memory come first. */
  readonly limit: number
  readonly logs: Logs
}

const maxBuffered = 4_000
/** Of text, in memory. */
const maxBufferedLength = 2_000_000

/** Server-Sent Events: `line` with the JSON of a line, `dropped` with `{ lines }`. Ends with `signal`. */
export function openLogStream({ filter, limit, logs, heartbeatMs, signal, onEnd }: LogStreamOptions): ReadableStream<Uint8Array> {
  let buffer: Line[] = []
  let length = 0
  let dropped = 0
  let hasBegun = false
  // Before what is in memory is asked for, so that nothing falls between the two.
  const unsubscribe = logs.subscribe(filter, (lines, left) => {
    dropped += left
    for (const line of lines) {
      if (buffer.length >= maxBuffered || length >= maxBufferedLength) dropped++
      else {
        buffer.push(line)
        length += line.text.length
      }
    }
    stream.wake()
  })
  const stream = openSse({
    next: () => (hasBegun ? taken() : begun()),
    hasMore: () => buffer.length > 0 || dropped > 0,
    heartbeatMs,
    signal,
    onEnd() {
      unsubscribe()
      onEnd()
    },
  })
  return stream.bytes

  async function begun(): Promise<string> {
    const { lines } = await logs.query(filter, limit)
    hasBegun = true
    const known = new Set(lines.map(({ key }) => key))
    buffer = buffer.filter(({ key }) => !known.has(key))
    return lines.map(textOf).join('')
  }

  function taken(): string {
    const text = buffer.map(textOf).join('') + (dropped > 0 ? `event: dropped\ndata: ${JSON.stringify({ lines: dropped })}\n\n` : '')
    buffer = []
    length = 0
    dropped = 0
    return text
  }
}

/** A line is one line: JSON has no newline outside of its escapes. */
function textOf({ key, text }: Line): string {
  return `id: ${key}\nevent: line\ndata: ${text}\n\n`
}
