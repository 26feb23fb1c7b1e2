// One client's part of the event stream. What it missed comes from the journal, what happens comes from the subscription; a client
// that is too slow for its buffer is put back to the journal, so that nothing is lost and nothing piles up.

import type { Store } from '../store/port.ts'
import type { Events } from './port.ts'
import { openSse } from './sse.ts'

export interface EventStreamOptions {
  /** The last number the client has seen; null: only what happens from here on. */
  readonly after: number | null
  readonly events: Events
  readonly journal: Pick<Store, 'readJournal'>
  readonly heartbeatMs: number
  readonly signal: AbortSignal
  /** Called once, however it ends: by the signal, by the client or by a source that fails. */
  readonly onEnd?: () => void
}

type Event = Parameters<Parameters<Events['subscribe']>[0]>[0]

const maxBuffered = 256
const pageSize = 100

/** Bytes of Server-Sent Events. Ends with `signal`. */
export function openEventStream({ after, events, journal, heartbeatMs, signal, onEnd }: EventStreamOptions): ReadableStream<Uint8Array> {
  const buffer: Event[] = []
  /** The last number that was sent, or is not to be sent; null where the client takes whatever comes first. */
  let cursor = after
  let isBehind = after !== null
  const unsubscribe = events.subscribe(event => {
    if (buffer.length < maxBuffered) buffer.push(event)
    else {
      // A client that was sent nothing yet goes on with the first one that is dropped.
      cursor ??= (buffer[0]?.seq ?? event.seq) - 1
      buffer.length = 0
      isBehind = true
    }
    stream.wake()
  })
  const stream = openSse({
    next: () => (isBehind ? missed() : buffered()),
    hasMore: () => isBehind || buffer.length > 0,
    heartbeatMs,
    signal,
    onEnd() {
      unsubscribe()
      onEnd?.()
    },
  })
  return stream.bytes

  async function missed(): Promise<string> {
    isBehind = false
    const page = await journal.readJournal(cursor ?? 0, pageSize)
    if (page.length === pageSize) isBehind = true
    return page.map(textOf).join('')
  }

  function buffered(): string {
    return buffer
      .splice(0)
      .filter(event => event.seq > (cursor ?? 0))
      .map(textOf)
      .join('')
  }

  function textOf(event: Event): string {
    cursor = Math.max(cursor ?? 0, event.seq)
    return `id: ${event.seq}\nevent: ${event.type.replaceAll(/[\r\n]/g, ' ')}\ndata: ${JSON.stringify(event)}\n\n`
  }
}
