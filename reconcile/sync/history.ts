// The history as people read it: one row for each serial, with the commit behind it where the source knows it.

import type { HistoryRow, Store } from '../../engine/store/port.ts'
import type { JsonObject } from '../../schema/json.ts'
import { commitOf, isRevision, type Revision } from '../../schema/ref.ts'
import type { Commit } from '../source/git.ts'
import type { Source } from '../source/source.ts'

export interface History {
  /** `{ history, next }`, newest first; `next` is the serial to go on before, null at the end. `limit` 1 to 1000. */
  list(page: { readonly limit: number; readonly before?: number }): Promise<JsonObject>
}

// Each look-up starts git once; more rows than a terminal shows are listed without.
const maxCommits = 25

export function createHistory(store: Store, source: Source | null): History {
  const known = new Map<Revision, Commit | null>()
  const behind = async (text: string | null) => {
    const revision = text !== null && isRevision(text) ? commitOf(text) : null
    if (revision === null || !source?.commit) return null
    // A commit that the clone does not hold any more has no subject; that is all that is lost.
    if (!known.has(revision)) known.set(revision, await source.commit(revision).catch(() => null))
    return known.get(revision) ?? null
  }
  return {
    async list({ limit, before }) {
      const rows = await store.listHistory(limit, before)
      const history = await Promise.all(rows.map(async (row, at) => rowOf(row, at < maxCommits ? await behind(row.revision) : null)))
      const last = rows.at(-1)
      return { history, next: last && rows.length === limit && last.serial > 1 ? last.serial : null }
    },
  }
}

function rowOf(row: HistoryRow, commit: Commit | null): JsonObject {
  return { ...row, summary: { ...row.summary }, commit: commit ? { subject: commit.subject, author: commit.author, at: commit.at } : null }
}
