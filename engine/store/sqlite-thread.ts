// The thread of the embedded store: it alone touches the file, so that a slow disk never holds the event loop.
//
// Group commit: all calls that have arrived share one transaction and one flush. A call that fails is undone by its savepoint
// and fails alone; a commit that fails fails them all.

import { DatabaseSync } from 'node:sqlite'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { StoreFault } from './error.ts'
import type { Call, Fault, FromThread, Reply, SyncStore, ThreadOptions, ToThread } from './sqlite-protocol.ts'
import { migrate, schemaVersion } from './sqlite-schema.ts'
import { createStatements, readers } from './sqlite-statements.ts'

/** Calls in one transaction at most, so that the first of a flood is not answered with its last. */
const maxGroup = 500

/** SQLite's primary result codes, https://www.sqlite.org/rescode.html */
const faultByCode: Readonly<Record<number, StoreFault>> = {
  5: 'busy',
  6: 'busy',
  8: 'io',
  10: 'io',
  11: 'corrupt',
  13: 'full',
  14: 'io',
  26: 'corrupt',
}

if (parentPort) serve(parentPort, workerData as ThreadOptions) // openSqliteStore() started the thread with it

function serve(port: MessagePort, options: ThreadOptions): void {
  const say = (message: FromThread): void => port.postMessage(message)
  let database: DatabaseSync
  try {
    database = new DatabaseSync(options.path, { timeout: options.busyTimeoutMs })
    const found = setUp(database)
    if (found > schemaVersion) {
      database.close()
      return refuse({ fault: 'version', message: `its tables are version ${found}; this build reads version ${schemaVersion}` })
    }
  } catch (cause) {
    return refuse(faultOf(cause))
  }
  const statements = createStatements(database, () => new Date().toISOString())
  say({ opened: true })

  port.on('message', (first: ToThread) => {
    let message: ToThread | undefined = first
    let calls: Call[] = []
    while (message) {
      if ('close' in message) {
        if (calls.length > 0) say({ replies: runGroup(database, statements, calls) })
        database.close()
        return port.close()
      }
      calls.push(...message.calls)
      if (calls.length >= maxGroup) {
        say({ replies: runGroup(database, statements, calls) })
        calls = []
      }
      message = receiveMessageOnPort(port)?.message
    }
    if (calls.length > 0) say({ replies: runGroup(database, statements, calls) })
  })

  function refuse(refused: Fault): void {
    say({ refused })
    port.close()
  }
}

/** Returns the version of the tables. */
function setUp(database: DatabaseSync): number {
  try {
    // Exclusive: two servers on one data directory must not meet; the lock goes with the process, however it ends.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF')
    const version = migrate(database)
    // Takes the exclusive lock, also where there was nothing to migrate.
    database.exec('BEGIN IMMEDIATE; COMMIT')
    return version
  } catch (cause) {
    database.close()
    throw cause
  }
}

function runGroup(database: DatabaseSync, statements: SyncStore, calls: readonly Call[]): Reply[] {
  try {
    database.exec(calls.every(call => readers.has(call.method)) ? 'BEGIN' : 'BEGIN IMMEDIATE')
    const replies = calls.map(call => runCall(database, statements, call))
    database.exec('COMMIT')
    return replies
  } catch (cause) {
    const error = faultOf(cause)
    try {
      if (database.isTransaction) database.exec('ROLLBACK')
    } catch (second) {
      error.message += `; rolling back failed as well: ${faultOf(second).message}`
    }
    return calls.map(({ id }) => ({ id, error }))
  }
}

function runCall(database: DatabaseSync, statements: SyncStore, { id, method, args }: Call): Reply {
  if (readers.has(method)) return answer()
  database.exec('SAVEPOINT call')
  const reply = answer()
  // SQLite may have undone the whole transaction itself, as it does on a full disk; then no call of the group is kept.
  if (!database.isTransaction) throw 'error' in reply ? new Error(reply.error.message, { cause: reply.error }) : new Error('no transaction')
  database.exec('error' in reply ? 'ROLLBACK TO call; RELEASE call' : 'RELEASE call')
  return reply

  function answer(): Reply {
    try {
      const run = statements[method] as (...args: readonly unknown[]) => unknown // the store sent the arguments of this method
      return { id, value: run(...args) }
    } catch (cause) {
      return { id, error: faultOf(cause) }
    }
  }
}

function faultOf(cause: unknown): { fault: StoreFault; message: string } {
  if (!(cause instanceof Error)) return { fault: 'failed', message: String(cause) }
  if (cause.cause && typeof cause.cause === 'object' && 'fault' in cause.cause) return cause.cause as Fault // wrapped by runCall
  const code = 'errcode' in cause && typeof cause.errcode === 'number' ? cause.errcode & 0xff : -1
  return { fault: faultByCode[code] ?? 'failed', message: cause.message }
}
