// The log a service writes to: the server's, with the service's name and the correlation id on every line.

import type { Log } from '../../adapters/port.ts'
import type { ServiceLog } from './sdk.ts'
import type { SourceMaps } from './source-map.ts'

export interface ServiceLogOptions {
  readonly log: Log & { debug?(fields: Record<string, unknown>, message: string): void }
  readonly owner: { readonly name: string; maps(): SourceMaps }
  readonly cid: string
}

type Level = 'debug' | 'info' | 'warn' | 'error'

export class UnitLog implements ServiceLog {
  readonly #options: ServiceLogOptions

  constructor(options: ServiceLogOptions) {
    this.#options = options
  }

  debug(fields: object | string, message?: string): void {
    this.#write('debug', fields, message)
  }

  info(fields: object | string, message?: string): void {
    this.#write('info', fields, message)
  }

  warn(fields: object | string, message?: string): void {
    this.#write('warn', fields, message)
  }

  error(fields: object | string, message?: string): void {
    this.#write('error', fields, message)
  }

  #write(level: Level, fields: object | string, message = ''): void {
    const { log, owner, cid } = this.#options
    const service = owner.name
    try {
      if (typeof fields === 'string') log[level]?.({ service, cid }, fields)
      else log[level]?.({ ...printable(fields, owner), service, cid }, message)
    } catch (error) {
      // A getter or toJSON of the author's threw. A line of log is not worth the call.
      log.warn({ service, cid, reason: String(error) }, `Cannot write fields to the log: ${message}`)
    }
  }
}

/** Own fields, with errors as data and their stacks in TypeScript. Secrets print themselves as `***`. */
function printable(fields: object, owner: ServiceLogOptions['owner']): Record<string, unknown> {
  if (fields instanceof Error) return { err: errorFields(fields, owner.maps()) }
  const clean: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(fields)) clean[key] = value instanceof Error ? errorFields(value, owner.maps()) : value
  return clean
}

export function errorFields(error: unknown, maps: SourceMaps): Record<string, unknown> {
  const stack = maps.mapStack(error)
  if (!(error instanceof Error)) return { message: stack }
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  const cause = error.cause instanceof Error ? { cause: maps.mapStack(error.cause) } : {}
  return { name: error.name, message: error.message, ...code, stack, ...cause }
}
