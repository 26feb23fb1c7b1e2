// What the store is told after a commit point: the row of the new serial and what became of the one before. It may fail without
// undoing anything, as `current` carries the row: the next boot tells what is missing.

import { failpoint } from '#failpoint'
import { messageOf } from '../../adapters/redact.ts'
import type { HistoryRow, Outcome, Store } from '../store/port.ts'
import type { CurrentState } from './current.ts'
import type { Manifest } from './manifest.ts'

/** Facts of the journal; a failure to write one is the teller's to log. */
export type Announce = (type: string, body: Readonly<Record<string, string | number | boolean | null>>) => void

export interface RecordOptions {
  readonly environment: string
  readonly store: Store
  readonly announce: Announce
  readonly now: () => number
}

export interface HistoryFacts {
  readonly serial: number
  readonly generation: number
  readonly contents: Manifest
  readonly digest: string
  readonly manifest: string
  readonly request: Pick<HistoryRow, 'actor' | 'reason' | 'summary'>
  readonly outcome: Outcome
}

export interface Recorder {
  row(facts: HistoryFacts): HistoryRow
  /** Tells of a commit point. Never rejects. */
  committed(state: CurrentState): Promise<void>
  /** Tells that its probation ended well. Never rejects. */
  passed(state: CurrentState): Promise<void>
  /** Tells what a crash kept the store from hearing. Never rejects. */
  resumed(state: CurrentState): Promise<void>
}

/** What a damaged disk or a store that was away left open lies among the newest. */
const recentRows = 20

export function createRecorder({ environment, store, announce, now }: RecordOptions): Recorder {
  return {
    row: ({ serial, generation, contents, digest, manifest, request, outcome }) => ({
      serial,
      generation,
      environment,
      revision: contents.revision,
      digest,
      manifest,
      actor: request.actor,
      reason: request.reason,
      at: new Date(now()).toISOString(),
      outcome,
      summary: request.summary,
    }),
    committed: state =>
      orSaid(state, async () => {
        failpoint('history.before')
        await tell(state)
        const { serial, generation, revision, reason, actor } = state.history
        announce('generation.live', { serial, generation, revision, reason, actor })
      }),
    passed: state =>
      orSaid(state, async () => {
        await store.setOutcome(state.serial, 'live')
        announce('probation.passed', { serial: state.serial, generation: state.generation })
      }),
    resumed: state =>
      orSaid(state, async () => {
        const [row, [newest]] = await Promise.all([store.getHistory(state.serial), store.listHistory(1)])
        if (row?.outcome === state.history.outcome && newest?.serial === state.serial) return
        await tell(state)
        await store.setOutcome(state.serial, state.history.outcome)
      }),
  }

  /** One row at most is of what is live. All is told at once: where a boot finds the new one, the others are closed. */
  async function tell({ serial, history, undone }: CurrentState): Promise<void> {
    const open = (await store.listHistory(recentRows)).filter(
      row => row.serial !== serial && (row.outcome === 'live' || row.outcome === 'probation'),
    )
    const ended = open.map(row => ({ serial: row.serial, outcome: row.serial === undone?.serial ? undone.outcome : 'superseded' }) as const)
    await store.insertHistory(history, ended)
  }

  async function orSaid({ serial }: CurrentState, act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      announce('store.failed', { serial, reason: messageOf(error) })
    }
  }
}
