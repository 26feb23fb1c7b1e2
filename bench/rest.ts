// The pause between two measurements, when nothing of the bench goes on: what the machine can do at that moment is noted.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Calibration } from './calibration.ts'

/** Waits until what was measured has settled, then calibrates once. */
export type Rest = (ms?: number) => Promise<void>

const settleMs = 400

/** @param into milliseconds of each calibration */
export function createRest(calibration: Calibration, into: number[]): Rest {
  return async (ms = settleMs) => {
    await sleep(ms)
    into.push(calibration.measure())
  }
}
