// The engine as the control process offers it to what lies above: what is live, and the one way to change it.

import type { Issue } from '../../schema/issue.ts'
import type { Json, JsonObject } from '../../schema/json.ts'
import type { Ref } from '../../schema/ref.ts'
import type { DebugSession } from '../debug/session.ts'
import type { Delta, Manifest } from './manifest.ts'

export interface LiveState {
  /** +1 at every commit point, rollbacks and swap-backs included; 0 before the first. Plans bind to it. */
  readonly serial: number
  readonly generation: number
  readonly manifest: Manifest
  /** Digest over the effective digests of all entries. */
  readonly digest: string
  /** ISO time, null outside probation. */
  readonly probationUntil: string | null
  /** The generation a rollback returns to while it is warm; null when there is none. */
  readonly fallback: { readonly serial: number; readonly generation: number } | null
}

export interface ApplyRequest {
  /** The serial the delta was made against; another one is live: refused as stale. */
  readonly baseSerial: number
  readonly delta: Delta
  readonly actor: string
  readonly reason: string
  readonly summary: { readonly create: number; readonly update: number; readonly delete: number }
  /** The change set, [part, digest or "absent"]: what is marked bad when it fails. A part is a ref, `settings` or `lockfile`. */
  readonly pairs: readonly (readonly [string, string])[]
  /** Judged by the policy in force, which is not the delta's own. */
  readonly preflight: 'require' | 'warn'
  readonly probationMs: number
}

export interface Phases {
  readonly [phase: string]: number
}

export type ApplyOutcome =
  | { readonly kind: 'live'; readonly serial: number; readonly generation: number; readonly phases: Phases }
  /** A worker could not build it, or the base is stale. Nothing happened. */
  | {
      readonly kind: 'refused'
      readonly code: 'STALE' | 'PREPARE_FAILED' | 'BUSY' | 'STOPPING'
      readonly reasons: readonly string[]
      /** What is wrong with the code, where that is why; the reasons say it in words. */
      readonly issues?: readonly Issue[]
    }

export interface RollbackRequest {
  /** A serial of the history, or the fallback of the live generation. */
  readonly to: number | 'fallback'
  readonly actor: string
  readonly reason: string
}

export type Condition = {
  /** DebuggerAttached is there only while it is true. */
  readonly type: 'Ready' | 'Reconciling' | 'Stalled' | 'Degraded' | 'CertificateInvalid' | 'CertificateExpiring' | 'DebuggerAttached'
  readonly status: boolean
  readonly reason: string
  readonly since: string
  /** What is wrong and what is done about it, where the reason does not say it. */
  readonly message?: string
  /** Whose doing it is, where that is somebody's. */
  readonly actor?: string
}

export interface EngineStatus {
  readonly live: {
    readonly serial: number
    readonly generation: number
    readonly revision: string | null
    readonly digest: string
    readonly probationUntil: string | null
  }
  readonly workers: readonly {
    readonly id: number
    readonly pid: number
    readonly generation: number
    /** paused: a debugger holds it. */
    readonly state: 'booting' | 'serving' | 'recycling' | 'paused'
  }[]
  readonly draining: readonly number[]
  /** Resources that do not work as declared, each with the reason. */
  readonly degraded: readonly { readonly ref: Ref; readonly reason: string; readonly since: string }[]
  readonly debuggers: readonly DebugSession[]
  /** What the engine itself has to say, beside those of the sync. */
  readonly conditions: readonly Condition[]
  readonly quarantined: readonly { readonly ref: Ref; readonly reason: string }[]
  /** Module instances that were released and not collected, by path. */
  readonly leaks: readonly { readonly path: string; readonly count: number; readonly holders: readonly string[] }[]
}

export interface Invocation {
  readonly service: string
  readonly payload: Json
  readonly deadlineMs?: number
  readonly cid?: string
}

export type InvocationOutcome =
  | { readonly kind: 'answered'; readonly payload: Json; readonly elapsedMs: number; readonly generation: number }
  /** `problem` is an RFC 9457 body. */
  | { readonly kind: 'failed'; readonly status: number; readonly problem: JsonObject; readonly elapsedMs: number }

export interface Engine {
  live(): LiveState
  /** Applies are serialised; one that waits behind another is judged by the serial it finds. Never throws for a plan that cannot be applied. */
  apply(request: ApplyRequest): Promise<ApplyOutcome>
  rollback(request: RollbackRequest): Promise<ApplyOutcome>
  /** Ends probation at once, the live generation stands. False where none runs. */
  endProbation(actor: string): Promise<boolean>
  status(): EngineStatus
  invoke(invocation: Invocation): Promise<InvocationOutcome>
  /** Checks the far end of a connection from one worker. */
  ping(ref: Ref): Promise<{ readonly ok: boolean; readonly elapsedMs: number; readonly reason: string | null }>
  /** Opens a manifest of the history, for a plan that goes back to it. Undefined where it is no longer on disk. */
  manifestOf(serial: number): Promise<Manifest | undefined>
}
