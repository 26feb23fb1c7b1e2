// The scheduler of a control process, put together: what the engine hosts, what the admin API asks, what metrics read.

import assert from 'node:assert/strict'
import type { AdapterRow } from '../../adapters/table.ts'
import type { JobOperations } from '../admin/jobs-port.ts'
import type { Manifest } from '../generation/manifest.ts'
import { createCorrelationIds } from '../plane/correlation.ts'
import type { Dispatch } from '../work/dispatch.ts'
import { jobRow } from './adapter.ts'
import { createJobOperations } from './operations.ts'
import { Scheduler, type SchedulerOptions } from './scheduler.ts'
import type { JobsSnapshot } from './tally.ts'

export interface Jobs {
  /** What the engine hosts; asked for once. */
  rows(dispatch: Dispatch): readonly AdapterRow[]
  operations(live: () => Manifest): JobOperations
  snapshot(): JobsSnapshot
  /** The process ends; to be said before the engine does. */
  end(): void
}

export function createJobs(options: Pick<SchedulerOptions, 'store' | 'clock' | 'log' | 'announce'>): Jobs {
  let made: Scheduler | null = null
  const scheduler = (): Scheduler => {
    assert(made, 'the engine hosts the scheduler before it is asked')
    return made
  }
  return {
    rows(dispatch) {
      made = new Scheduler({ ...options, dispatch, newCid: createCorrelationIds() })
      return [jobRow(made)]
    },
    operations: live => createJobOperations({ scheduler: scheduler(), store: options.store, live, now: options.clock.now }),
    snapshot: () => scheduler().snapshot(),
    end: () => made?.end(),
  }
}
