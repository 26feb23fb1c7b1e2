// What is wrong at one place of a document, before anyone knows which file and line the place is.

import type { IssueCode, Severity } from './issue.ts'

export interface Finding {
  readonly code: IssueCode
  readonly severity?: Severity
  /** Names fields and what is accepted; never a value, which may be a secret or come from a process variable. */
  readonly message: string
  /** JSON pointer into the document as declared. */
  readonly pointer: string
  /** Set where an unserved guard keeps the resource closed. */
  readonly closes?: string
}
