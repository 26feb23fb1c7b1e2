// The scheduler as an adapter: all jobs of an environment share one instance, which control hosts, and one in a cluster takes in work.

import type { Adapter } from '../../adapters/port.ts'
import type { AdapterRow } from '../../adapters/table.ts'
import { kindName } from '../../schema/ref.ts'
import { type Job, jobOf } from './job.ts'
import type { Scheduler } from './scheduler.ts'

export const jobKind = kindName('scheduler')

/** Each instance takes over from the one before: no two are started at a time. */
export function jobRow(scheduler: Scheduler): AdapterRow {
  let owner: object | null = null
  const adapter: Adapter<object, Job> = {
    traits: { scope: 'cluster', host: 'control' },
    shareKey: () => 'all',
    prepare: () => ({}),
    view: (_instance, declared) => jobOf(declared),
    serve(instance, jobs) {
      owner = instance
      scheduler.serve(jobs)
    },
    async start(_instance, lease) {
      if (lease) await scheduler.start(lease)
    },
    stop: () => scheduler.stop(),
    async close(instance) {
      if (owner !== instance) return
      owner = null
      await scheduler.abandon()
    },
  }
  // A run finds the service in its worker's live generation, and a job that follows when it begins.
  return { kind: jobKind, adapter: adapter as Adapter, late: [kindName('service'), jobKind] } // the wrapper keeps an adapter's types apart
}
