// The log of a process, and the one door into it: level, rate and what may not be told are looked at here, for every line. The lines are
// JSON (pino), or for people under `plumb dev`.

import { pino } from 'pino'
import type { Log } from '../../adapters/port.ts'
import { lifeOf } from '../process/life.ts'
import { LogBook } from './book.ts'
import { cleanFields, cleanText } from './clean.ts'
import { Flood } from './flood.ts'
import { isLevel, type Level, levels } from './level.ts'
import { openOutput } from './output.ts'

export interface LogOptions {
  /** Which process writes. */
  readonly process: string
  readonly human: boolean
  /** PLUMB_LOG_LEVEL goes before it. Default `info`. */
  readonly level?: Level
  /** Whether requests have lines on standard output. Default false: they are in memory alone. */
  readonly access?: boolean
  /** Where the lines go; standard output where absent. */
  readonly fd?: number
}

export interface ProcessLog extends Log {
  debug(fields: Record<string, unknown>, message: string): void
  readonly book: LogBook
  /** Lines that reached nobody since the start: a service wrote too many, or standard output was not read. */
  lost(): { readonly flood: number; readonly output: number }
  /** Writes what waits, for the end of the process. */
  end(): void
}

const bytesPerSecond = 1_000_000
const burstBytes = 4_000_000
const lingerMs = 50

export function createLog(options: LogOptions): ProcessLog {
  const { process: name, human, access = false } = options
  const { level, refused } = levelOf(options)
  const least = levels[level]
  const output = openOutput({
    fd: options.fd ?? 1,
    lingerMs: human ? 0 : lingerMs,
    onDropped: lines => write('warn', { dropped: lines }, `${lines} lines of this log were dropped as standard output was not read`),
  })
  // Under dev the terminal shows what a service says, and `plumb logs` the requests as well.
  const where = !access ? (human ? 'memory' : 'nowhere') : 'output'
  const book = new LogBook({ process: name, life: lifeOf(process.pid) ?? String(process.pid), output, human, access: where })
  const flood = new Flood({
    bytesPerSecond,
    burstBytes,
    now: () => performance.now(),
    onLeftOut: (source, lines) =>
      write('warn', { leftOut: lines, source }, `${lines} lines of "${source}" were left out as it writes more than 1 MB a second`),
  })
  let written = 0
  const log = pino(
    {
      level: 'trace',
      base: { process: name },
      formatters: { log: cleanFields },
      // Errors are data by then, which say themselves what their type is; pino would say "Object".
      serializers: { err: error => error },
    },
    {
      write(text: string) {
        written = text.length
        book.write(Number(text.slice(9, 11)), text)
      },
    },
  )
  if (refused !== null)
    write('warn', {}, `Cannot use PLUMB_LOG_LEVEL as it is "${refused.slice(0, 40)}": ${Object.keys(levels).join(', ')} are accepted`)

  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
    book,
    lost: () => ({ flood: flood.leftOut, output: output.dropped }),
    end() {
      book.settle()
      output.end()
    },
  }

  function write(at: 'debug' | 'info' | 'warn' | 'error', fields: Record<string, unknown>, message: string): void {
    if (levels[at] < least) return
    const source = sourceOf(fields)
    if (source === null) return log[at](fields, cleanText(message))
    if (!flood.admits(source)) return
    log[at](fields, cleanText(message))
    flood.spend(source, written)
  }
}

function levelOf({ level = 'info' }: LogOptions): { readonly level: Level; readonly refused: string | null } {
  const asked = process.env.PLUMB_LOG_LEVEL
  if (asked === undefined || asked === '') return { level, refused: null }
  return isLevel(asked) ? { level: asked, refused: null } : { level, refused: asked }
}

/** Whose code a line is of; null for the server's own. */
function sourceOf({ service, path, began }: Record<string, unknown>): string | null {
  const source = service ?? path ?? began
  return typeof source === 'string' ? source : null
}
