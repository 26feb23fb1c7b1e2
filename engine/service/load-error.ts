// Why service code cannot be loaded, with its place in TypeScript.

import { messageOf } from '../../adapters/redact.ts'
import type { IssueCode } from '../../schema/issue.ts'
import type { CodePosition, SourceMaps } from './source-map.ts'

export type LoadCode = Extract<
  IssueCode,
  | 'MODULE_NOT_FOUND'
  | 'SERVICE_EXPORT_WRONG'
  | 'SERVICE_LOAD_EXITED'
  | 'SERVICE_LOAD_FAILED'
  | 'SERVICE_LOAD_REJECTED'
  | 'SERVICE_LOAD_TIMEOUT'
  | 'SERVICE_NAME_DIFFERS'
  | 'TOP_LEVEL_AWAIT'
>

/** Its message completes "Cannot prepare … as" and names the place. */
export class LoadError extends Error {
  readonly code: LoadCode
  readonly at: CodePosition
  /** Completes "Cannot load … as"; without its place. */
  readonly reason: string

  constructor(code: LoadCode, reason: string, options: { at: CodePosition; cause?: unknown }) {
    super(`${reason} (${options.at.path}:${options.at.line}:${options.at.column})`, { cause: options.cause })
    this.name = 'LoadError'
    this.code = code
    this.reason = reason
    this.at = options.at
  }
}

/** What was thrown while `path` was loaded, as a `LoadError`. */
export function loadErrorOf(error: unknown, path: string, maps: SourceMaps): LoadError {
  if (error instanceof LoadError) return error
  const at = maps.originOf(error) ?? { path, line: 1, column: 1 }
  const options = { at, cause: error }
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
  const message = messageOf(error).split('\n', 1)[0] ?? ''
  if (code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND')
    return new LoadError('MODULE_NOT_FOUND', `a module is missing: ${message}`, options)
  if (error instanceof SyntaxError && /\bawait\b/.test(message))
    return new LoadError(
      'TOP_LEVEL_AWAIT',
      'it awaits at its top level: await inside `handle`, or keep the promise and await that there',
      options,
    )
  return new LoadError('SERVICE_LOAD_FAILED', `its code throws: ${message}`, options)
}
