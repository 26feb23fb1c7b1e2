// What is wrong with input, as data. Issues are collected, never thrown one at a time; a printer makes the lines.
// Every code has a heading of its own in docs/errors.md, and every heading there has a code here: a test compares both.

import type { Ref } from './ref.ts'

/** A place in a file of the tree; line and column count from 1. */
export interface Position {
  readonly path: string
  readonly line: number
  readonly column: number
}

export type Severity = 'error' | 'warning'

export interface Issue {
  readonly code: IssueCode
  readonly severity: Severity
  /** "Cannot … as …: current value; what is accepted; next step". Never holds a secret. */
  readonly message: string
  readonly at?: Position
  readonly ref?: Ref
  /** JSON pointer into the resource */
  readonly pointer?: string
  readonly related?: readonly { readonly message: string; readonly at: Position }[]
}

/** Permanent: a code is never renamed and never reused. The value is the severity it has unless a rule raises it. */
export const issueCodes = {
  ENVIRONMENT_MISMATCH: 'error',
  FIELD_NOT_SERVED: 'warning',
  IMPORT_OUTSIDE: 'error',
  INVALID_NAME: 'error',
  INVALID_VALUE: 'error',
  LOCKFILE_MISSING: 'warning',
  MISPLACED_FIELD: 'error',
  MISSING_FIELD: 'error',
  MISSING_LIBRARY: 'error',
  MODEL_NOT_SERVED: 'error',
  MODEL_TYPE: 'error',
  MODULE_NOT_FOUND: 'error',
  NOT_ENFORCED: 'error',
  ORIGIN_CONFLICT: 'error',
  PACKAGE_FILE: 'error',
  REF_MISMATCH: 'error',
  SERVICE_DUPLICATE: 'error',
  SERVICE_EXPORT_WRONG: 'error',
  SERVICE_LOAD_EXITED: 'error',
  SERVICE_LOAD_FAILED: 'error',
  SERVICE_LOAD_REJECTED: 'error',
  SERVICE_LOAD_TIMEOUT: 'error',
  SERVICE_NAME: 'error',
  SERVICE_NAME_DIFFERS: 'error',
  SERVICE_NOT_EXPORTED: 'error',
  TOP_LEVEL_AWAIT: 'error',
  TREE_REFUSED: 'error',
  TYPESCRIPT_SYNTAX: 'error',
  TYPE_ERROR: 'error',
  UNKNOWN_FIELD: 'error',
  WRONG_TYPE: 'error',
  YAML_SYNTAX: 'error',
} as const satisfies Record<string, Severity>

export type IssueCode = keyof typeof issueCodes

export function issue(
  code: IssueCode,
  message: string,
  rest: Omit<Issue, 'code' | 'message' | 'severity'> & { severity?: Severity } = {},
): Issue {
  const { severity = issueCodes[code], ...where } = rest
  return { code, severity, message, ...where }
}

export function hasErrors(issues: readonly Issue[]): boolean {
  return issues.some(found => found.severity === 'error')
}
