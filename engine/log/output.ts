// Standard output, as a log must treat it: written in batches and never waited for. A reader that is slow costs lines, which are counted,
// but neither the event loop nor memory; one that is gone costs all further lines.

import { pino } from 'pino'

export interface Output {
  /** Takes whole lines, each with its newline; bytes are not to change any more. `isUrgent`: they wait for no others. */
  write(text: string | Buffer, options: { readonly lines: number; readonly isUrgent: boolean }): void
  /** Writes what is left, and waits for it: for the end of the process. */
  end(): void
  /** Lines that were not written since the start. */
  readonly dropped: number
}

export interface OutputOptions {
  readonly fd: number
  /** Longest time a line waits for others. 0: it does not. */
  readonly lingerMs: number
  /** Lines were dropped, and more can be written now. */
  readonly onDropped: (lines: number) => void
}

const batchLength = 16_384
/** What waits for a slow reader. */
const maxWaitingBytes = 4_000_000

export function openOutput({ fd, lingerMs, onDropped }: OutputOptions): Output {
  const destination = pino.destination({ dest: fd, sync: false, minLength: 0, maxLength: maxWaitingBytes, contentMode: 'buffer' })
  let batch = ''
  let batchLines = 0
  let timer: NodeJS.Timeout | null = null
  let dropped = 0
  let untold = 0
  let isBroken = false
  const drop = (lines: number) => {
    dropped += lines
    untold += lines
  }
  destination.on('drop', (bytes: Buffer) => drop(bytes.toString().split('\n').length - 1))
  destination.on('drain', () => {
    if (untold === 0) return
    const lines = untold
    untold = 0
    onDropped(lines)
  })
  // A disk that is full, say: what could not be written is tried again with the next batch.
  destination.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') isBroken = true
  })
  return {
    write(text, { lines, isUrgent }) {
      if (typeof text !== 'string') {
        flush()
        return send(text, lines)
      }
      batch += text
      batchLines += lines
      if (isUrgent || lingerMs === 0 || batch.length >= batchLength) flush()
      else timer ??= setTimeout(flush, lingerMs).unref()
    },
    end() {
      flush()
      if (!isBroken) destination.flushSync()
    },
    get dropped() {
      return dropped
    },
  }

  function flush(): void {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (batchLines === 0) return
    send(Buffer.from(batch), batchLines)
    batch = ''
    batchLines = 0
  }

  function send(bytes: Buffer, lines: number): void {
    if (isBroken) drop(lines)
    // The types know of texts alone; what is given here is what the mode above takes.
    else destination.write(bytes as unknown as string)
  }
}
