// Tasks in SQL.

import type { SQLInputValue } from 'node:sqlite'
import { type Row, type Sql, within } from './sql.ts'
import type { Task, TaskState, TaskStore, TaskSummary } from './tasks.ts'

type SyncTaskStore = { readonly [M in keyof TaskStore]: (...args: Parameters<TaskStore[M]>) => Awaited<ReturnType<TaskStore[M]>> }

/** Calls that only read. */
export const taskReaders = ['dueTasks', 'nextTaskAt', 'getTask', 'listTasks', 'countTasks'] as const satisfies readonly (keyof TaskStore)[]

const summary = 'seq, id, service, cid, state, accepted_at, due_at, attempts, max_attempts, begun, deadline_ms, holder, failure'

export function createTaskStatements({ all, get, changes }: Sql): SyncTaskStore {
  return {
    enqueueTask: task =>
      changes(
        `INSERT INTO task (id, service, payload, cid, state, accepted_at, due_at, attempts, max_attempts, begun, deadline_ms)
         VALUES (?, ?, ?, ?, 'ready', ?, ?, 0, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
        task.id,
        task.service,
        JSON.stringify(task.payload),
        task.cid,
        task.acceptedAt,
        task.dueAt,
        task.maxAttempts,
        task.begun,
        task.deadlineMs,
      ) === 1,
    dueTasks: (now, limit, except) =>
      all(
        `SELECT ${summary}, payload FROM task WHERE state = 'ready' AND due_at <= ? AND id NOT IN (SELECT value FROM json_each(?))
         ORDER BY due_at, seq LIMIT ?`,
        now,
        JSON.stringify(except),
        within(limit),
      ).map(taskOf),
    nextTaskAt(except) {
      const row = get(
        `SELECT due_at FROM task WHERE state = 'ready' AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY due_at LIMIT 1`,
        JSON.stringify(except),
      )
      return row && Number(row.due_at)
    },
    takeTask: (id, begun, holder) =>
      changes(
        `UPDATE task SET state = 'running', holder = ? WHERE id = ? AND begun = ? AND state IN ('ready', 'running')`,
        holder,
        id,
        begun,
      ) === 1,
    finishTask: (id, begun) => changes(`DELETE FROM task WHERE id = ? AND begun = ? AND state = 'running'`, id, begun) === 1,
    returnTask: (id, begun, next) =>
      changes(
        `UPDATE task SET state = ?, begun = ?, attempts = ?, due_at = ?, failure = ?, holder = NULL
         WHERE id = ? AND begun = ? AND state = 'running'`,
        next.state,
        next.begun,
        next.attempts,
        next.dueAt,
        next.failure && JSON.stringify(next.failure),
        id,
        begun,
      ) === 1,
    getTask(id) {
      const row = get(`SELECT ${summary}, payload FROM task WHERE id = ?`, id)
      return row && taskOf(row)
    },
    listTasks({ state, service, limit, before }) {
      const wanted: (readonly [string, SQLInputValue])[] = []
      if (state !== undefined) wanted.push(['state = ?', state])
      if (service !== undefined) wanted.push(['service = ?', service])
      if (before !== undefined) wanted.push(['seq < ?', before])
      const where = wanted.length > 0 ? `WHERE ${wanted.map(([condition]) => condition).join(' AND ')}` : ''
      const values = wanted.map(([, value]) => value)
      return all(`SELECT ${summary} FROM task ${where} ORDER BY seq DESC LIMIT ?`, ...values, within(limit)).map(summaryOf)
    },
    countTasks() {
      const rows = all('SELECT state, count(*) AS count FROM task GROUP BY state')
      const of = (state: TaskState) => Number(rows.find(row => row.state === state)?.count ?? 0)
      return { ready: of('ready'), running: of('running'), dead: of('dead') }
    },
    resubmitTasks: ({ id, service }, now) =>
      changes(
        `UPDATE task SET state = 'ready', attempts = 0, due_at = ?1
         WHERE state = 'dead' AND (?2 IS NULL OR id = ?2) AND (?3 IS NULL OR service = ?3)`,
        now,
        id ?? null,
        service ?? null,
      ),
    discardTask(id) {
      const row = get(`DELETE FROM task WHERE id = ? AND state IN ('ready', 'dead') RETURNING state`, id)
      return row && (row.state as 'ready' | 'dead') // the statement removes no other
    },
  }
}

function taskOf(row: Row): Task {
  return { ...summaryOf(row), payload: JSON.parse(String(row.payload)) }
}

function summaryOf(row: Row): TaskSummary {
  return {
    seq: Number(row.seq),
    id: String(row.id),
    service: String(row.service),
    cid: String(row.cid),
    state: row.state as TaskState, // only the statements above write it
    acceptedAt: String(row.accepted_at),
    dueAt: Number(row.due_at),
    attempts: Number(row.attempts),
    maxAttempts: Number(row.max_attempts),
    begun: Number(row.begun),
    deadlineMs: Number(row.deadline_ms),
    holder: row.holder === null ? null : String(row.holder),
    failure: row.failure === null ? null : JSON.parse(String(row.failure)),
  }
}
