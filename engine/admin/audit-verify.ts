// Recomputes the audit's chain: every hash, every link, no number missing; what was removed in good order is named by the last anchor.
//
// It shows what was changed by someone who does not make the whole chain anew. Against someone who does, the head that is answered here
// (and logged once a day) is to be kept elsewhere: given back, it must be found unchanged.

import { type AuditRow, type AuditStore, anchorAction, hashOf, noHash } from '../store/audit.ts'

export interface Verified {
  /** Number of rows that were looked at. */
  readonly rows: number
  readonly first: number
  /** The newest row; null where there is none. */
  readonly head: { readonly seq: number; readonly hash: string } | null
  /** The first row that is not as it was written. */
  readonly broken: { readonly seq: number; readonly reason: string } | null
}

const pageSize = 1000

/** @param known a head that was answered before */
export async function verifyAudit(
  store: Pick<AuditStore, 'readAudit'>,
  known: { readonly seq: number; readonly hash: string } | null,
): Promise<Verified> {
  let last: AuditRow | null = null
  let first: AuditRow | null = null
  let rows = 0
  const found = (seq: number, reason: string): Verified => ({ rows, first: first?.seq ?? 0, head: null, broken: { seq, reason } })
  const anchor = (await store.readAudit({ action: anchorAction, limit: 1 }))[0]
  for (;;) {
    const page: readonly AuditRow[] = await store.readAudit({ after: last?.seq ?? 0, limit: pageSize })
    for (const row of page) {
      const wrong: string | null = last === null ? startFault(row, anchor) : linkFault(row, last)
      if (wrong !== null) return found(row.seq, wrong)
      if (hashOf(row) !== row.hash) return found(row.seq, 'its content is not what its hash was made of')
      if (row.seq === known?.seq && row.hash !== known.hash) return found(row.seq, 'it is another row than the one whose hash was given')
      first ??= row
      last = row
      rows++
    }
    if (page.length < pageSize) break
  }
  if (known !== null && (last === null || known.seq > last.seq)) return found(known.seq, `it is gone: the last row is ${last?.seq ?? 0}`)
  if (last === null && anchor === undefined) return { rows, first: 0, head: null, broken: null }
  return { rows, first: first?.seq ?? 0, head: last && { seq: last.seq, hash: last.hash }, broken: null }
}

function linkFault(row: AuditRow, before: AuditRow): string | null {
  if (row.seq !== before.seq + 1) return `row ${before.seq + 1} before it is missing`
  return row.prevHash === before.hash ? null : 'it does not follow the row before it'
}

/** The first row that is there is the very first, or the one that the last anchor leaves. */
function startFault(row: AuditRow, anchor: AuditRow | undefined): string | null {
  const through = anchor ? Number(anchor.detail.through) : 0
  const hash = anchor ? String(anchor.detail.hash) : noHash
  if (row.seq !== through + 1) return `the rows from ${through + 1} to ${row.seq - 1} are missing`
  return row.prevHash === hash ? null : 'it does not follow the row that was removed before it'
}
