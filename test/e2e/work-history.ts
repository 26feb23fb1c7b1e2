// What was accepted and what ran, as the two ends wrote it down, and the law that joins them: everything accepted ran to its end at
// least once, and each run after the first says that it may be one.

import { readFile } from 'node:fs/promises'

/** One line that the called service wrote: `end` says that the run came to its end. */
export interface Run {
  readonly what: 'begin' | 'end'
  readonly id: string
  readonly n: number
  readonly attempt: number
  readonly redelivered: boolean
  /** Numbers that the revision wrote into two files. */
  readonly stamps: readonly [number, number]
}

export async function readRuns(path: string): Promise<readonly Run[]> {
  const text = await readFile(path, 'utf8').catch(() => '') // None ran yet.
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Run) // written by the service below
}

export interface Verdict {
  readonly lost: readonly string[]
  /** Further runs that did not say that they may be ones. */
  readonly unmarked: readonly string[]
  /** Runs that two generations had a part in. */
  readonly mixed: readonly string[]
  /** Runs beyond the first, of what was accepted. */
  readonly repeated: number
}

export function judgeHistory(accepted: ReadonlyMap<string, number>, runs: readonly Run[]): Verdict {
  const byId = Map.groupBy(runs, ({ id }) => id)
  const begins = [...byId.values()].map(all => all.filter(({ what }) => what === 'begin'))
  return {
    lost: [...accepted].filter(([id, n]) => !byId.get(id)?.some(run => run.what === 'end' && run.n === n)).map(([id]) => id),
    unmarked: begins
      .flatMap(all => all.slice(1).filter(({ redelivered }) => !redelivered))
      .map(({ id, attempt }) => `${id} attempt ${attempt}`),
    mixed: runs.filter(({ stamps: [one, other] }) => one !== other).map(({ id }) => id),
    repeated: begins.reduce((total, [first, ...further]) => total + (first && accepted.has(first.id) ? further.length : 0), 0),
  }
}
