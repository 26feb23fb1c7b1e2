// The log a service writes to: the server's, with the service's name and the correlation id on every line.

import type { Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import { described } from './described.ts'
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

export interface ErrorFields extends Record<string, unknown> {
  /** Its class; what is no error has none. */
  readonly type?: string
  readonly message: string
  readonly stack?: string
}

/** An error as the log has it, in places of the author's files. Of what else it carries nothing is kept: it may be anything. */
export function errorFields(error: unknown, maps: SourceMaps): ErrorFields {
  if (!(error instanceof Error))
    // An error of another realm is none here, and has a stack all the same.
    return hasStack(error)
      ? { message: `${described(error)}, which is no error of this process`, stack: maps.mapStack(error) }
      : { message: `${described(error)}, which is no error and tells no place; throw an Error` }
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  const cause = error.cause === undefined ? {} : { cause: causeOf(error.cause, maps) }
  const parts = error instanceof AggregateError ? { errors: error.errors.map(part => causeOf(part, maps)) } : {}
  return {
    type: error.constructor.name || error.name,
    message: messageOf(error),
    ...code,
    stack: maps.mapStack(error),
    ...cause,
    ...parts,
  }
}

function hasStack(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'stack' in value && typeof value.stack === 'string'
}

function causeOf(cause: unknown, maps: SourceMaps): string {
  return cause instanceof Error ? maps.mapStack(cause) : described(cause)
}
