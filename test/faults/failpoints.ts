// Every instant of an apply at which a crash is tried. What a restart serves is decided by one of them alone: the rename of `current`.

export interface Failpoint {
  /** The process that passes it. */
  readonly process: 'control' | 'worker'
  /** What makes a server pass it. */
  readonly by: 'sync' | 'plan' | 'rollback'
  /** Whether the new serial is live after a crash there. */
  readonly isCommitted: boolean
}

export const failpoints = {
  'fetch.start': { process: 'control', by: 'sync', isCommitted: false },
  'fetch.received': { process: 'control', by: 'sync', isCommitted: false },
  'tree.read': { process: 'control', by: 'sync', isCommitted: false },
  'parse.done': { process: 'control', by: 'sync', isCommitted: false },
  'secrets.read': { process: 'control', by: 'sync', isCommitted: false },
  'validate.done': { process: 'control', by: 'sync', isCommitted: false },
  'diff.done': { process: 'control', by: 'sync', isCommitted: false },
  'plan.persisted': { process: 'control', by: 'plan', isCommitted: false },
  'stage.services': { process: 'worker', by: 'sync', isCommitted: false },
  'stage.connections': { process: 'worker', by: 'sync', isCommitted: false },
  'stage.listeners': { process: 'worker', by: 'sync', isCommitted: false },
  'swap.before': { process: 'control', by: 'sync', isCommitted: false },
  'snapshot.tmp': { process: 'control', by: 'sync', isCommitted: false },
  'snapshot.fsynced': { process: 'control', by: 'sync', isCommitted: false },
  'snapshot.renamed': { process: 'control', by: 'sync', isCommitted: true },
  'swap.after': { process: 'control', by: 'sync', isCommitted: true },
  'drain.start': { process: 'worker', by: 'sync', isCommitted: true },
  'drain.done': { process: 'worker', by: 'sync', isCommitted: true },
  'history.before': { process: 'control', by: 'sync', isCommitted: true },
  'swapback.before': { process: 'control', by: 'rollback', isCommitted: false },
} as const satisfies Record<string, Failpoint>

export type FailpointName = keyof typeof failpoints
