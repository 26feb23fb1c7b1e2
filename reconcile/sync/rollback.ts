// Back to what was live before. What is undone is marked as a change set, so that the loop holds the revision that would bring it back
// until a commit changes it. The mark is written first: a crash in between must not leave a rollback that the next pass undoes.

import type { Clock } from '../../adapters/port.ts'
import type { Engine, Phases } from '../../engine/generation/engine.ts'
import type { Manifest } from '../../engine/generation/manifest.ts'
import { digestsIn, framePairsBetween, isMarked, markOf, pairsBetween } from '../../engine/generation/mark.ts'
import type { HistoryRow, Store } from '../../engine/store/port.ts'

export interface RollbackOptions {
  readonly engine: Engine
  readonly store: Store
  readonly clock: Clock
  readonly environment: string
}

export type RollbackOutcome =
  | {
      readonly kind: 'live'
      readonly serial: number
      readonly generation: number
      readonly phases: Phases
      /** The serial whose state is live again. */
      readonly to: number
      /** Id of the mark of what was undone; null where nothing was. */
      readonly mark: string | null
      /** Resources of another origin than git that the state gone back to does not have, or has otherwise. */
      readonly dropped: readonly string[]
    }
  | { readonly kind: 'refused'; readonly code: string; readonly reasons: readonly string[] }

/** @param request.to a serial of the history; absent: the last good one before the live one */
export async function rollBack(
  request: { readonly to?: number; readonly actor: string; readonly reason: string },
  options: RollbackOptions,
): Promise<RollbackOutcome> {
  const { engine, store, clock, environment } = options
  const live = engine.live()
  const to = request.to ?? live.fallback?.serial ?? (await lastGood(options))?.serial
  if (to === undefined) return refused('NO_FALLBACK', 'Cannot roll back as nothing good was live before; plumb history lists what was')
  if (to === live.serial) return refused('ALREADY_LIVE', `Cannot roll back to serial ${to} as it is live`)
  const target = await engine.manifestOf(to)
  if (target === undefined)
    return refused('UNKNOWN', `Cannot roll back to serial ${to} as its manifest is not on disk; plumb history lists what is`)
  const unsound = await markedIn(target, options)
  if (unsound !== null)
    return refused(
      'MARKED',
      `Cannot roll back to serial ${to} as it holds a change set that was judged bad: ${unsound}; plumb sync --retry clears the mark`,
    )

  const undone = pairsBetween(target, live.manifest)
  const mark = markOf({ environment, pairs: undone, actor: request.actor, reason: request.reason, at: new Date(clock.now()).toISOString() })
  const isNew = undone.length > 0 && !(await store.listMarks()).some(known => known.id === mark.id)
  if (isNew) await store.putMark(mark)
  const isFallback = live.fallback?.serial === to
  const outcome = await engine.rollback({ to: isFallback ? 'fallback' : to, actor: request.actor, reason: request.reason })
  if (outcome.kind === 'refused') {
    if (isNew) await store.clearMarks([mark.id])
    return outcome
  }
  const dropped = droppedBy(live.manifest, target)
  await store.appendJournal('rollback', { actor: request.actor, reason: request.reason, from: live.serial, to, mark: mark.id, dropped })
  return { ...outcome, to, mark: undone.length > 0 ? mark.id : null, dropped }
}

/** The newest row before the live one with another state that was neither rolled back nor failed. */
async function lastGood({ engine, store }: RollbackOptions): Promise<HistoryRow | undefined> {
  const live = engine.live()
  for (const row of await store.listHistory(1000, live.serial)) {
    if (row.outcome === 'failed-probation' || row.outcome === 'rolled-back') continue
    if (row.digest !== live.digest) return row
    // The digest is over resources. The name of the manifest does not tell either: the same state may lie in several files.
    const manifest = await engine.manifestOf(row.serial)
    if (manifest !== undefined && framePairsBetween(manifest, live.manifest).length > 0) return row
  }
  return undefined
}

/** Why the state is held back, as its mark says; null where no mark is wholly in it. */
async function markedIn(target: Manifest, { store, environment }: RollbackOptions): Promise<string | null> {
  const digestIn = digestsIn(target)
  const marks = await store.listMarks()
  const found = marks.find(mark => mark.environment === environment && isMarked(mark, digestIn))
  return found ? found.reason : null
}

function droppedBy(live: Manifest, target: Manifest): string[] {
  return [...live.entries.values()]
    .filter(
      ({ origin, resource }) =>
        origin.from !== 'git' && target.entries.get(resource.ref)?.resource.effectiveDigest !== resource.effectiveDigest,
    )
    .map(({ resource }) => resource.ref)
}

function refused(code: string, reason: string): RollbackOutcome {
  return { kind: 'refused', code, reasons: [reason] }
}
