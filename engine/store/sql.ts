// How statements are run, whatever part of the store they belong to: each is prepared once.

import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'

export type Row = Record<string, SQLOutputValue>

export interface Sql {
  all(sql: string, ...values: SQLInputValue[]): Row[]
  get(sql: string, ...values: SQLInputValue[]): Row | undefined
  /** How many rows it changed. */
  changes(sql: string, ...values: SQLInputValue[]): number
}

export function createSql(database: DatabaseSync): Sql {
  const prepared = new Map<string, StatementSync>()
  function statement(sql: string): StatementSync {
    const found = prepared.get(sql) ?? database.prepare(sql)
    prepared.set(sql, found)
    return found
  }
  return {
    all: (sql, ...values) => statement(sql).all(...values),
    get: (sql, ...values) => statement(sql).get(...values),
    changes: (sql, ...values) => Number(statement(sql).run(...values).changes),
  }
}

/** What a page may have. */
export function within(limit: number): number {
  return Math.min(Math.max(Math.trunc(limit), 1), 1000)
}
