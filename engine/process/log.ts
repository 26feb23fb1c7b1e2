// Logs of every process: one JSON line each (pino), or one plain line for people under `plumb dev`.

import { pino } from 'pino'
import type { Log } from '../../adapters/port.ts'

export interface LogOptions {
  /** Which process writes. */
  readonly process: string
  readonly human: boolean
}

/** Fields that hold credentials wherever they turn up. */
const redacted = [
  'password',
  'authorization',
  'cookie',
  '["proxy-authorization"]',
  '["x-api-key"]',
  'secret',
  'token',
  '*.password',
  '*.authorization',
  '*.cookie',
  '*["proxy-authorization"]',
  '*["x-api-key"]',
  '*.secret',
  '*.token',
]

export function createLog({ process: name, human }: LogOptions): Log {
  const log = pino(
    {
      level: process.env.PLUMB_LOG_LEVEL ?? 'info',
      base: { process: name },
      redact: { paths: redacted, censor: '***' },
      // An error that comes as data says itself what its type is; pino would say "Object".
      serializers: { err: error => (error instanceof Error ? pino.stdSerializers.err(error) : error) },
    },
    human ? { write: writePlain } : pino.destination({ dest: 1, sync: false, minLength: 0 }),
  )
  return {
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
  }
}

const levels: Readonly<Record<number, string>> = { 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' }

function writePlain(line: string): void {
  const { level, time, process: name, msg, pid: _pid, hostname: _hostname, ...fields } = JSON.parse(line) as Record<string, unknown> // pino writes it
  const rest = Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : ''
  process.stdout.write(`${new Date(Number(time)).toISOString().slice(11, 23)} ${levels[Number(level)] ?? ''} ${name}: ${msg}${rest}\n`)
}
