// The real statements over a database in memory, answered as the store's thread does: later, and one after another.

import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'
import type { Store } from '../../../engine/store/port.ts'
import { migrate } from '../../../engine/store/sqlite-schema.ts'
import { createStatements } from '../../../engine/store/sqlite-statements.ts'
import type { TaskStore } from '../../../engine/store/tasks.ts'
import type { JsonObject } from '../../../schema/json.ts'

const methods = [
  ...(['enqueueTask', 'dueTasks', 'nextTaskAt', 'takeTask', 'finishTask', 'returnTask', 'getTask', 'listTasks', 'countTasks'] as const),
  ...(['resubmitTasks', 'discardTask'] as const),
]

export interface MemoryStore extends TaskStore, Pick<Store, 'appendJournal'> {
  failing: boolean
  readonly journal: { readonly type: string; readonly body: JsonObject }[]
  /** The same disk for another process. What the first asks for from now on is never answered. */
  takenOver(): MemoryStore
}

export function memoryStore(): MemoryStore {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  migrate(database)
  const statements = createStatements(database, () => '2026-01-01T00:00:00.000Z')
  const journal: MemoryStore['journal'] = []

  function open(): MemoryStore {
    let isOver = false
    const answered = async <Result>(act: () => Result): Promise<Result> => {
      await new Promise(setImmediate)
      if (isOver) return await new Promise(() => undefined)
      if (store.failing) throw new Error('the disk is full')
      return act()
    }
    const calls = methods.map(method => [
      method,
      (...args: unknown[]) => answered(() => (statements[method] as (...args: unknown[]) => unknown)(...args)), // the arguments of this method
    ])
    const store: MemoryStore = {
      ...(Object.fromEntries(calls) as unknown as TaskStore), // every method of it, by name
      failing: false,
      journal,
      appendJournal: (type, body) =>
        answered(() => {
          journal.push({ type, body })
          return { seq: journal.length, at: '', type, body }
        }),
      takenOver() {
        isOver = true
        return open()
      },
    }
    return store
  }
  return open()
}
