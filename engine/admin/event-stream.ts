// One client's part of the event stream. What it missed comes from the journal, what happens comes from the subscription; a client
// that is too slow for its buffer is put back to the journal, so that nothing is lost and nothing piles up.

import type { Store } from '../store/port.ts'
import type { Events } from './port.ts'

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
/** How long a client waits before it connects again. */
const retryMs = 1000

/** Bytes of Server-Sent Events, read from its sources only as fast as the client takes them. Ends with `signal`. */
export function openEventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const buffer: Event[] = []
  /** The last number that was sent, or is not to be sent; null where the client takes whatever comes first. */
  let cursor = options.after
  let isBehind = options.after !== null
  let wake = (): void => undefined
  const unsubscribe = options.events.subscribe(event => {
    if (buffer.length < maxBuffered) buffer.push(event)
    else {
      // A client that was sent nothing yet goes on with the first one that is dropped.
      cursor ??= (buffer[0]?.seq ?? event.seq) - 1
      buffer.length = 0
      isBehind = true
    }
    wake()
  })
  let hasEnded = false
  // Nobody may be reading: it then ends here, and not with the next piece.
  options.signal.addEventListener('abort', end)
  if (options.signal.aborted) end()

  return new ReadableStream<Uint8Array>(
    {
      start: controller => controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n`)),
      async pull(controller) {
        try {
          const text = await next()
          if (text !== null) return controller.enqueue(encoder.encode(text))
        } catch (cause) {
          // The client connects again and goes on with the last number it has.
          end()
          throw cause
        }
        end()
        controller.close()
      },
      cancel: end,
    },
    { highWaterMark: 1 },
  )

  /** The next piece; null at the end. */
  async function next(): Promise<string | null> {
    while (!hasEnded) {
      const text = isBehind ? await missed() : buffered()
      if (text !== '') return text
      if (!isBehind && buffer.length === 0 && !(await happened())) return ': still here\n\n'
    }
    return null
  }

  async function missed(): Promise<string> {
    isBehind = false
    const page = await options.journal.readJournal(cursor ?? 0, pageSize)
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

  /** False where nothing happened for the time of a heartbeat. */
  async function happened(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(resolve, options.heartbeatMs, false)
    wake = () => resolve(true)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      wake = () => undefined
    }
  }

  function end(): void {
    if (hasEnded) return
    hasEnded = true
    unsubscribe()
    options.signal.removeEventListener('abort', end)
    wake()
    options.onEnd?.()
  }
}
