// Why the store cannot do what it was asked, in words a caller decides by. The same for every implementation.

/**
 * - `busy` another process holds the store
 * - `corrupt` what is on disk is not a store of ours any more
 * - `full` there is no room left
 * - `io` the disk refused to read or write, or may not be written
 * - `version` a later build wrote it
 * - `closed` the store was closed, or its thread died
 * - `failed` anything else: a mistake of ours
 */
export type StoreFault = 'busy' | 'corrupt' | 'full' | 'io' | 'version' | 'closed' | 'failed'

/** Nothing of the call was written. `retryable` where the same call may work once the world is better. */
export class StoreError extends Error {
  readonly fault: StoreFault
  readonly retryable: boolean

  constructor(fault: StoreFault, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'StoreError'
    this.fault = fault
    this.retryable = fault === 'busy' || fault === 'full' || fault === 'io'
  }
}
