// The log of an application under test, kept instead of written.

import type { Log } from '../../adapters/port.ts'
import type { LogLine } from './test-api.ts'

export class LogCapture implements Log {
  readonly #lines: LogLine[] = []

  get lines(): readonly LogLine[] {
    return this.#lines
  }

  debug(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#lines.push({ level: 'debug', message, fields })
  }

  info(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#lines.push({ level: 'info', message, fields })
  }

  warn(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#lines.push({ level: 'warn', message, fields })
  }

  error(fields: Readonly<Record<string, unknown>>, message: string): void {
    this.#lines.push({ level: 'error', message, fields })
  }

  /** The stack of the last error among the lines from `start` on, else its sentence; null where there is none. */
  lastError(start: number): string | null {
    const last = this.#lines.slice(start).findLast(({ level }) => level === 'error')
    if (last === undefined) return null
    const { err } = last.fields
    return typeof err === 'object' && err !== null && 'stack' in err ? String(err.stack) : last.message
  }
}
