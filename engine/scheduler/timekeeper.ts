// Meets what is due on an agenda, by the clock on the wall. That clock may jump and the machine may sleep, so no wait is longer than
// half a second: after each the clock is read anew.

import type { Clock } from '../../adapters/port.ts'
import { createSlices } from '../generation/slice.ts'
import type { Agenda } from './agenda.ts'

export interface TimekeeperOptions<Item> {
  readonly agenda: Agenda<Item>
  readonly clock: Clock
  /** Milliseconds that never jump; default `performance.now`. */
  readonly monotonic?: (() => number) | undefined
  /** An item is due. Throws nothing. */
  meet(item: Item): void
  /** The wall was put back by so many milliseconds; it then shows again what it has shown. Never rejects. */
  wentBack(byMs: number): Promise<void>
  /** Comes with every look at the clock. */
  looked(now: number): void
}

export interface Timekeeper {
  /** Resolves when `signal` is aborted. */
  keep(signal: AbortSignal): Promise<void>
  /** Something may be due sooner than what the keeper waits for. */
  wake(): void
}

const longestNapMs = 500
/** A clock that goes back by less is being corrected, and nothing is looked at anew. */
const jumpMs = 1_000

export function createTimekeeper<Item>(options: TimekeeperOptions<Item>): Timekeeper {
  const { agenda, clock, monotonic = () => performance.now() } = options
  let nap: AbortController | null = null

  return {
    async keep(signal) {
      const slices = createSlices()
      let before = { wall: clock.now(), steady: monotonic() }
      while (!signal.aborted) {
        const at = { wall: clock.now(), steady: monotonic() }
        const backMs = before.wall - at.wall + (at.steady - before.steady)
        before = at
        if (backMs > jumpMs) await options.wentBack(backMs)
        for (let item = agenda.take(clock.now()); item && !signal.aborted; item = agenda.take(clock.now())) {
          options.meet(item)
          if (slices.isSpent()) await slices.rest()
        }
        options.looked(at.wall)
        await napUntil(agenda.earliest(), signal)
      }
    },
    wake: () => nap?.abort(new Error('There is something to do')),
  }

  async function napUntil(at: number | null, signal: AbortSignal): Promise<void> {
    const napMs = Math.min(longestNapMs, Math.max(0, (at ?? Number.POSITIVE_INFINITY) - clock.now()))
    const napping = new AbortController()
    nap = napping
    await clock.sleep(napMs, AbortSignal.any([napping.signal, signal])).catch(() => undefined) // somebody woke it
  }
}
