// The manners of every stream of Server-Sent Events: read only as fast as the client takes them, a sign of life where nothing happens,
// one end however it comes.

export interface SseOptions {
  /** The next piece of text, at once; empty where there is none. What it rejects with ends the stream: the client connects again. */
  next(): string | Promise<string>
  /** Whether something came meanwhile that `next` has not given. */
  hasMore(): boolean
  readonly heartbeatMs: number
  readonly signal: AbortSignal
  /** Called once: by the signal, by the client or by a source that fails. */
  onEnd(): void
}

export interface Sse {
  readonly bytes: ReadableStream<Uint8Array>
  /** Something came. */
  wake(): void
}

/** How long a client waits before it connects again. */
const retryMs = 1000

/** Ends with `signal`. */
export function openSse({ next, hasMore, heartbeatMs, signal, onEnd }: SseOptions): Sse {
  const encoder = new TextEncoder()
  let wake = (): void => undefined
  let hasEnded = false
  // Nobody may be reading: it then ends here, and not with the next piece.
  signal.addEventListener('abort', end)
  if (signal.aborted) end()
  const bytes = new ReadableStream<Uint8Array>(
    {
      start: controller => controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n`)),
      async pull(controller) {
        try {
          const text = await piece()
          if (text !== null) return controller.enqueue(encoder.encode(text))
        } catch (cause) {
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
  return { bytes, wake: () => wake() }

  /** Null at the end. */
  async function piece(): Promise<string | null> {
    while (!hasEnded) {
      const text = await next()
      if (text !== '') return text
      if (!hasMore() && !(await happened())) return ': still here\n\n'
    }
    return null
  }

  /** False where nothing happened for the time of a heartbeat. */
  async function happened(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(resolve, heartbeatMs, false)
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
    signal.removeEventListener('abort', end)
    wake()
    onEnd()
  }
}
