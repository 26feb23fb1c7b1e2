// Workers that stand at a breakpoint, as the fleet deals with them: others go on without them, and what they were told they do when they go
// on. Where nobody else serves, they are waited for.

import type { WorkerPort, Workers } from './workers.ts'

export interface Standing {
  /** Waits while all who are `current` stand: nobody else could serve what is applied. Ends with the server. */
  untilOneRuns(isCurrent: (worker: WorkerPort) => boolean): Promise<void>
  /**
   * What `work` of a worker comes to; `left` where the worker stands by then, and another one serves. The work goes on, and is kept
   * as done for `generation`, unless that is null.
   */
  unlessStanding<Result>(worker: WorkerPort, work: Promise<Result>, generation: number | null): Promise<Result | 'left'>
  /** Resolves when the worker has done what it was left with. */
  caughtUp(worker: WorkerPort): Promise<void>
  /** Those that were left with that generation let go of it, once they have built it. */
  abort(generation: number): void
  /** Somebody waits for one that stands. */
  isAwaited(): boolean
}

/** How often a wait looks whether it still makes sense. */
const lookMs = 500

export function createStanding(workers: Workers, isStopping: () => boolean): Standing {
  const left = new Map<WorkerPort, { readonly generation: number; work: Promise<unknown> }[]>()
  const awaited = new Set<WorkerPort>()
  let areAllAwaited = false
  return {
    async untilOneRuns(isCurrent) {
      const runs = (list: readonly WorkerPort[]) => !list.some(isCurrent) || list.some(worker => isCurrent(worker) && !worker.isPaused)
      for (; !isStopping() && !runs(workers.list()); await workers.until(runs, lookMs)) areAllAwaited = true
      areAllAwaited = false
    },
    async unlessStanding(worker, work, generation) {
      const serves = (other: WorkerPort) => other !== worker && other.live > 0 && !other.isPaused
      const isLeft = () => worker.isPaused && (isStopping() || workers.list().some(serves))
      let isOver = false
      const end = () => {
        isOver = true
      }
      const over = work.then(end, end)
      try {
        for (; !isOver; await Promise.race([over, workers.until(() => isOver || isLeft(), lookMs)])) {
          if (isLeft()) {
            const kept = work.catch(() => undefined) // where it fails the worker holds nothing of it
            if (generation !== null) left.set(worker, [...(left.get(worker) ?? []), { generation, work: kept }])
            return 'left'
          }
          if (worker.isPaused) awaited.add(worker)
        }
        return await work
      } finally {
        awaited.delete(worker)
      }
    },
    async caughtUp(worker) {
      for (let all = left.get(worker); all; all = left.get(worker)) {
        left.delete(worker)
        await Promise.all(all.map(({ work }) => work))
      }
    },
    abort(generation) {
      for (const [worker, all] of left)
        for (const straggling of all)
          if (straggling.generation === generation)
            straggling.work = straggling.work.then(() => worker.abort(generation).catch(() => undefined)) // it is gone
    },
    isAwaited: () => areAllAwaited || awaited.size > 0,
  }
}
