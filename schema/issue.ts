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
  DEPLOY_BEHIND: 'warning',
  DEPLOY_CONFLICT: 'error',
  DEPLOY_PATH: 'error',
  DEPLOY_SUPERSEDED: 'warning',
  DOCUMENT_SHAPE: 'error',
  DUPLICATE_KEY: 'error',
  DUPLICATE_LIST_KEY: 'error',
  DUPLICATE_NAME: 'error',
  EMPTY_ENVIRONMENT: 'error',
  ENVIRONMENT_MISMATCH: 'error',
  ENVIRONMENT_MISSING: 'error',
  ENV_NOT_ALLOWED: 'error',
  EXTENDS_CYCLE: 'error',
  EXTENDS_MISSING: 'error',
  EXTENDS_OUTSIDE: 'error',
  FIELD_NOT_SERVED: 'warning',
  FORBIDDEN_CHARACTER: 'error',
  FORBIDDEN_KEY: 'error',
  IMPORT_OUTSIDE: 'error',
  INCLUDE_CYCLE: 'error',
  INCLUDE_MISSING: 'error',
  INCLUDE_OUTSIDE: 'error',
  INCLUDE_RESERVED: 'error',
  INVALID_NAME: 'error',
  INVALID_VALUE: 'error',
  LIBRARIES_NOT_INSTALLED: 'error',
  LOCKFILE_MISSING: 'warning',
  LOSSY_NUMBER: 'error',
  MISPLACED_FIELD: 'error',
  MISSING_ENV: 'error',
  MISSING_FIELD: 'error',
  MISSING_LIBRARY: 'error',
  MISSING_SECRET: 'error',
  MISSING_VARIABLE: 'error',
  MODEL_INVALID: 'error',
  MODEL_NOT_SERVED: 'error',
  MODEL_TYPE: 'error',
  MODE_GIT: 'error',
  MODULE_NOT_FOUND: 'error',
  NOT_ENFORCED: 'error',
  ORIGIN_CONFLICT: 'error',
  OVERLAY_DIRECTIVE: 'error',
  OVERLAY_WITHOUT_BASE: 'warning',
  PACKAGE_FILE: 'error',
  PLAINTEXT_SECRET: 'error',
  PUBLIC_WITH_SECURITY: 'error',
  REF_CYCLE: 'error',
  REF_MISMATCH: 'error',
  ROUTE_CONFLICT: 'error',
  ROUTE_INVALID: 'error',
  RULE_LOOSENED: 'warning',
  SECRET_SOURCE: 'warning',
  SECRET_TYPE: 'error',
  SECURITY_REQUIRED: 'error',
  SERVICE_DUPLICATE: 'error',
  SERVICE_EXPORT_WRONG: 'error',
  SERVICE_LOAD_EXITED: 'error',
  SERVICE_LOAD_FAILED: 'error',
  SERVICE_LOAD_REJECTED: 'error',
  SERVICE_LOAD_TIMEOUT: 'error',
  SERVICE_NAME: 'error',
  SERVICE_NAME_DIFFERS: 'error',
  SERVICE_NOT_EXPORTED: 'error',
  TEMPLATE_SYNTAX: 'error',
  TOP_LEVEL_AWAIT: 'error',
  TREE_REFUSED: 'error',
  TYPESCRIPT_SYNTAX: 'error',
  TYPE_ERROR: 'error',
  UNKNOWN_CONNECTION: 'error',
  UNKNOWN_FIELD: 'error',
  UNKNOWN_SECTION: 'error',
  UNKNOWN_SERVICE: 'error',
  UNRESOLVED_REF: 'error',
  WRONG_TYPE: 'error',
  YAML_LIMIT: 'error',
  YAML_MULTIPLE_DOCUMENTS: 'error',
  YAML_SYNTAX: 'error',
  YAML_TAG: 'error',
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
