// The worker's side of leases: an instance that may run once in a server, or once in a cluster, takes in work only while this
// worker holds its lease.
//
// server: control gives the lease to another worker only when this one is confirmed dead, so its holder goes on while control
// is away. cluster: nobody can confirm the death of a far machine, so the holder ends its intake before the lease it last
// renewed runs out, and others wait that time.

import type { Clock, Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'

const ttlMs = 6_000
/** A free lease is taken within this time and the time of one call. */
const retryMs = 500
/** What a cluster's holder leaves between the end of its intake and the end of its lease. */
const marginMs = 1_500

export interface LeasePort {
  /** Takes or renews; null where another holds it. `term` rises with every change of holder. Rejects where nobody can be asked. */
  acquire(name: string, ttlMs: number): Promise<{ readonly term: number } | null>
  release(name: string, term: number): Promise<unknown>
}

export interface LeasedIntake {
  /** `term` fences: what it writes elsewhere carries it. Never rejects. */
  start(term: number): Promise<void>
  /** Ends intake and waits for the work taken. Never rejects. */
  stop(): Promise<void>
}

export interface Hold {
  /** Null while another holds it. */
  readonly term: number | null
  /** Stops the intake, then gives the lease up. Never rejects. */
  end(): Promise<void>
}

export interface Leases {
  /** Wants the lease `name` from now on. */
  hold(name: string, scope: 'server' | 'cluster', intake: LeasedIntake): Hold
}

export interface LeasesOptions {
  readonly port: LeasePort
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds that never jump; `performance.now` where absent. */
  readonly monotonic?: () => number
}

export function createLeases({ port, clock, log, monotonic = () => performance.now() }: LeasesOptions): Leases {
  return {
    hold(name, scope, intake) {
      const ending = new AbortController()
      let term: number | null = null
      let safeUntil = 0

      async function lose(why: string): Promise<void> {
        term = null
        log.warn({ lease: name, reason: why }, `Cannot keep the lease "${name}" as ${why}`)
        await intake.stop()
      }

      async function ask(): Promise<void> {
        const askedAt = monotonic()
        const lease = await acquireInTime()
        if (lease === null) {
          if (term !== null) await lose('another holds it')
          return
        }
        if (term !== null && term !== lease.term) await lose('another held it meanwhile')
        safeUntil = askedAt + ttlMs - marginMs
        if (term === null && !ending.signal.aborted) {
          term = lease.term
          await intake.start(lease.term)
        }
      }

      /** An answer that comes too late is given back, unless it is a renewal. */
      async function acquireInTime(): Promise<{ readonly term: number } | null> {
        const settled = new AbortController()
        const waitMs = scope === 'cluster' && term !== null ? Math.max(0, safeUntil - monotonic()) : ttlMs
        const late = clock.sleep(waitMs, AbortSignal.any([settled.signal, ending.signal])).then(() => {
          throw new Error(`no answer came within ${Math.round(waitMs)} ms`)
        })
        const asked = port.acquire(name, ttlMs)
        try {
          return await Promise.race([asked, late])
        } catch (error) {
          asked.then(lease => (lease && term === null ? port.release(name, lease.term) : null)).catch(error => logAway(error))
          throw error
        } finally {
          settled.abort()
        }
      }

      function logAway(error: unknown): void {
        if (!ending.signal.aborted) log.info({ lease: name, reason: messageOf(error) }, `Nobody can be asked for the lease "${name}"`)
      }

      async function keep(): Promise<void> {
        while (!ending.signal.aborted) {
          try {
            await ask()
          } catch (error) {
            logAway(error)
          }
          if (scope === 'cluster' && term !== null && monotonic() >= safeUntil) await lose('it could not be renewed')
          try {
            await clock.sleep(term === null ? retryMs : ttlMs / 6, ending.signal)
          } catch {
            // `end` was called: the loop's condition sees it.
          }
        }
      }

      async function end(): Promise<void> {
        ending.abort()
        await kept
        if (term === null) return
        const held = term
        term = null
        await intake.stop()
        await port.release(name, held).catch(logAway)
      }

      const kept = keep()
      let ended: Promise<void> | null = null
      return {
        get term() {
          return term
        },
        end() {
          ended ??= end()
          return ended
        },
      }
    },
  }
}
