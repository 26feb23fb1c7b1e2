// Why a generation could not be built: every reason at once, so that one look is enough.

import type { Ref } from '../../schema/ref.ts'

export interface PrepareFailure {
  readonly ref: Ref
  /** A sentence. */
  readonly reason: string
  /** True where the same build may succeed later: a far end that is away. */
  readonly retryable: boolean
}

export class PrepareError extends Error {
  readonly reasons: readonly string[]
  readonly refs: readonly Ref[]
  readonly retryable: boolean

  constructor(failures: readonly PrepareFailure[]) {
    super(failures.map(({ reason }) => reason).join('\n'))
    this.name = 'PrepareError'
    this.reasons = failures.map(({ reason }) => reason)
    this.refs = failures.map(({ ref }) => ref)
    this.retryable = failures.every(({ retryable }) => retryable)
  }
}
