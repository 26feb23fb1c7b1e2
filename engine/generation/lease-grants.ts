// Control's side of the leases of one server: a worker gets one that another held only when that other is confirmed dead,
// whatever the expiry of the row says. A worker that is merely slow, or stopped, keeps what it has.

import type { Store } from '../store/port.ts'

export interface LeaseGrants {
  /** Null where another that may be alive holds it. */
  acquire(name: string, holder: string, ttlMs: number): Promise<{ readonly term: number } | null>
  release(name: string, holder: string, term: number): Promise<boolean>
}

export interface LeaseGrantsOptions {
  readonly store: Pick<Store, 'acquireLease' | 'releaseLease' | 'listLeases'>
  /** Whether that worker is certainly dead. */
  readonly isGone: (holder: string) => boolean | Promise<boolean>
  readonly now: () => number
}

export function createLeaseGrants({ store, isGone, now }: LeaseGrantsOptions): LeaseGrants {
  let turn: Promise<unknown> = Promise.resolve()

  /** One after another, so that nothing happens between the look at a lease and its change. */
  function inTurn<Result>(act: () => Promise<Result>): Promise<Result> {
    const acted = turn.then(act)
    turn = acted.catch(() => null) // the caller has the error; the next turn begins all the same
    return acted
  }

  return {
    acquire: (name, holder, ttlMs) =>
      inTurn(async () => {
        const held = (await store.listLeases()).find(lease => lease.name === name)
        if (held && held.holder !== holder) {
          if (!(await isGone(held.holder))) return null
          await store.releaseLease(name, held.holder, held.term)
        }
        return store.acquireLease(name, holder, ttlMs, now())
      }),
    release: (name, holder, term) => inTurn(() => store.releaseLease(name, holder, term)),
  }
}
