// Waiting for a condition instead of for a time.

import { setTimeout } from 'node:timers/promises'

/** @throws after `ms` where the condition did not come true */
export async function until(holds: () => boolean | Promise<boolean>, what: string, ms = 10_000): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true within ${ms} ms`)
    await setTimeout(5)
  }
}
