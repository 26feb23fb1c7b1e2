// The store's part for jobs in SQL, call by call.

import type { SQLOutputValue } from 'node:sqlite'
import type { HeldLease } from '../../adapters/port.ts'
import type { JobState, RunKey, RunRow, RunStore } from './runs.ts'
import { type Row, type Sql, within } from './sql.ts'
import type { SyncStore } from './sqlite-protocol.ts'

export const runReaders = ['getRun', 'openRuns', 'listRuns', 'lastRuns', 'listJobStates'] as const

export function createRunStatements({ all, get, changes }: Sql): Pick<SyncStore, keyof RunStore> {
  return {
    putRuns: (lease, rows) => (holds(lease) ? rows.map(insert) : null),
    takeRun(lease, row) {
      if (!holds(lease)) return 'fenced'
      if (insert(row)) return 'taken'
      const taken = changes(
        `UPDATE run SET state = 'running', life = ?, started_at = ?
         WHERE job = ? AND nominal = ? AND attempt = ? AND (state = 'scheduled' OR (state = 'running' AND cid = ?))`,
        row.life,
        row.startedAt,
        row.job,
        row.nominal,
        row.attempt,
        row.cid,
      )
      return taken === 1 ? 'taken' : 'known'
    },
    endRun({ job, nominal, attempt }, { state, endedAt, reason, next }, following) {
      const ended = changes(
        `UPDATE run SET state = ?, ended_at = ?, reason = ?, attempt = ?, due_at = coalesce(?, due_at)
         WHERE job = ? AND nominal = ? AND attempt = ? AND state IN ('scheduled', 'running')`,
        state,
        endedAt,
        reason,
        next?.attempt ?? attempt,
        next?.dueAt ?? null,
        job,
        nominal,
        attempt,
      )
      if (ended === 0) return false
      return following.map(row => {
        let free = row
        while (!insert(free)) free = { ...free, nominal: free.nominal + 1 }
        return free
      })
    },
    getRun: key => optional(found(key)),
    openRuns: () => all(`SELECT * FROM run WHERE state IN ('scheduled', 'running') ORDER BY due_at`).map(runRow),
    listRuns({ job, limit, after = { job: '', nominal: Number.MAX_SAFE_INTEGER } }) {
      const { nominal } = after
      const rows =
        job === undefined
          ? all(
              'SELECT * FROM run WHERE nominal <= ? AND (nominal < ? OR job > ?) ORDER BY nominal DESC, job LIMIT ?',
              nominal,
              nominal,
              after.job,
              within(limit),
            )
          : all('SELECT * FROM run WHERE job = ? AND nominal < ? ORDER BY nominal DESC LIMIT ?', job, nominal, within(limit))
      return rows.map(runRow)
    },
    lastRuns: () =>
      all(
        `SELECT run.* FROM job JOIN run ON run.job = job.job AND run.nominal =
           (SELECT max(nominal) FROM run AS ended WHERE ended.job = job.job AND ended.state IN ('done', 'failed', 'unknown'))`,
      ).map(runRow),
    putJobStates(states) {
      for (const { job, times, anchor, cursor, fires, prunedTo, pause } of states)
        changes(
          'INSERT OR REPLACE INTO job (job, times, anchor, cursor, fires, pruned_to, pause) VALUES (?, ?, ?, ?, ?, ?, ?)',
          job,
          times,
          anchor,
          cursor,
          fires,
          prunedTo,
          pause && JSON.stringify(pause),
        )
    },
    setPause: (job, pause, cursor = Number.MIN_SAFE_INTEGER) =>
      void changes('UPDATE job SET pause = ?, cursor = max(cursor, ?) WHERE job = ?', pause && JSON.stringify(pause), cursor, job),
    listJobStates: () => all('SELECT * FROM job').map(jobState),
    pruneRuns(before, keep) {
      let removed = 0
      for (const { job } of all('SELECT job FROM run WHERE nominal < ? GROUP BY job', before)) {
        const name = String(job)
        const oldest = get('SELECT nominal FROM run WHERE job = ? ORDER BY nominal DESC LIMIT 1 OFFSET ?', name, keep - 1)
        if (!oldest) continue
        const until = Math.min(Number(oldest.nominal), before)
        const gone = get('SELECT max(nominal) AS last FROM run WHERE job = ? AND nominal < ?', name, until)
        if (gone?.last === null) continue
        removed += changes(`DELETE FROM run WHERE job = ? AND nominal < ? AND state NOT IN ('scheduled', 'running')`, name, until)
        changes('UPDATE job SET pruned_to = max(pruned_to, ?) WHERE job = ?', Number(gone?.last), name)
      }
      changes('DELETE FROM job WHERE times IS NULL AND pause IS NULL AND NOT EXISTS (SELECT 1 FROM run WHERE run.job = job.job)')
      return removed
    },
  }

  function holds({ name, term }: HeldLease): boolean {
    return get('SELECT 1 FROM lease WHERE name = ? AND term = ? AND holder IS NOT NULL', name, term) !== undefined
  }

  function found({ job, nominal }: RunKey): Row | undefined {
    return get('SELECT * FROM run WHERE job = ? AND nominal = ?', job, nominal)
  }

  function insert(row: RunRow): boolean {
    const isOfTimes = row.origin === 'time' || row.origin === 'missed'
    if (isOfTimes && get('SELECT 1 FROM job WHERE job = ? AND pruned_to >= ?', row.job, row.nominal)) return false
    const inserted = changes(
      `INSERT INTO run (job, nominal, service, origin, by, state, attempt, due_at, started_at, ended_at, life, cid, reason, count)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      row.job,
      row.nominal,
      row.service,
      row.origin,
      row.by,
      row.state,
      row.attempt,
      row.dueAt,
      row.startedAt,
      row.endedAt,
      row.life,
      row.cid,
      row.reason,
      row.count,
    )
    if (inserted === 1 && isOfTimes)
      changes(
        'UPDATE job SET cursor = max(cursor, ?), fires = fires + ? WHERE job = ?',
        row.nominal,
        row.state === 'skipped' ? 0 : 1,
        row.job,
      )
    return inserted === 1
  }
}

function runRow(row: Row): RunRow {
  return {
    job: String(row.job),
    nominal: Number(row.nominal),
    service: String(row.service),
    origin: row.origin as RunRow['origin'], // only insert() writes it
    by: textOf(row.by),
    state: row.state as RunRow['state'], // as above, and endRun()
    attempt: Number(row.attempt),
    dueAt: Number(row.due_at),
    startedAt: numberOf(row.started_at),
    endedAt: numberOf(row.ended_at),
    life: textOf(row.life),
    cid: String(row.cid),
    reason: textOf(row.reason),
    count: Number(row.count),
  }
}

function jobState(row: Row): JobState {
  return {
    job: String(row.job),
    times: textOf(row.times),
    anchor: Number(row.anchor),
    cursor: Number(row.cursor),
    fires: Number(row.fires),
    prunedTo: Number(row.pruned_to),
    pause: row.pause === null ? null : (JSON.parse(String(row.pause)) as JobState['pause']), // written by putJobStates()
  }
}

function optional(row: Row | undefined): RunRow | undefined {
  return row && runRow(row)
}

function textOf(column: SQLOutputValue | undefined): string | null {
  return column === null || column === undefined ? null : String(column)
}

function numberOf(column: SQLOutputValue | undefined): number | null {
  return column === null || column === undefined ? null : Number(column)
}
