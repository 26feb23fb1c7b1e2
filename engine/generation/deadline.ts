// The reason a drain gives to what outlives it.

import type { Ref } from '../../schema/ref.ts'

export class DeadlineError extends Error {
  readonly ref: Ref | null
  readonly retryable = true

  constructor(message: string, ref: Ref | null = null) {
    super(message)
    this.name = 'DeadlineError'
    this.ref = ref
  }
}
