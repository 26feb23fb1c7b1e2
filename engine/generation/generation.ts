// A generation as a worker runs it: one built set of views over shared instances, with its router.

import type { Ref } from '../../schema/ref.ts'
import type { Router } from '../plane/route.ts'
import type { Manifest } from './manifest.ts'

export interface Generation {
  readonly number: number
  readonly manifest: Manifest
  readonly router: Router
  /** The view of a resource in this generation; undefined where there is none. */
  resolve(ref: Ref): unknown
  /** Counts a unit of work in; the function it returns counts it out, once. */
  enter(): () => void
  readonly inFlight: number
  /** Aborted with `DeadlineError` when a drain runs out of time. */
  readonly signal: AbortSignal
}
