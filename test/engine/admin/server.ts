// An admin API that really listens, on operations that say what they were asked.

import { join } from 'node:path'
import { request } from 'undici'
import type { Log } from '../../../adapters/port.ts'
import { type AdminOptions, createAdminApp } from '../../../engine/admin/app.ts'
import { createDebugOperations } from '../../../engine/admin/debug-operations.ts'
import { listenAdmin } from '../../../engine/admin/listen.ts'
import { type Actor, type Events, Refusal } from '../../../engine/admin/port.ts'
import { openTokens, type Tokens } from '../../../engine/admin/tokens.ts'
import type { WorkOperations } from '../../../engine/admin/work.ts'
import { LogBook } from '../../../engine/log/book.ts'
import { LogHub } from '../../../engine/log/hub.ts'
import { createMetrics } from '../../../engine/metrics/exposition.ts'
import type { JournalEvent, Store } from '../../../engine/store/port.ts'
import { openSqliteStore } from '../../../engine/store/sqlite.ts'
import type { JsonObject } from '../../../schema/json.ts'
import { temporaryDirectory } from '../../directory.ts'

interface Asked {
  readonly operation: string
  readonly args: readonly unknown[]
}

export interface TestServer extends AsyncDisposable {
  readonly url: string
  /** Of an admin. */
  readonly token: string
  /** Who presents it. */
  readonly actor: Actor
  readonly tokens: Tokens
  readonly store: Store
  readonly socketPath: string
  readonly dataDir: string
  readonly asked: Asked[]
  readonly events: ReturnType<typeof createEvents>
  /** What its log is read from. */
  readonly book: LogBook
  /** Ends the listener, as `await using` does. */
  close(): Promise<void>
}

/** @param given a store in place of one of its own; whoever gives it closes it */
export async function startServer(options: Partial<AdminOptions> = {}, given?: Store): Promise<TestServer> {
  const directory = await temporaryDirectory()
  const asked: Asked[] = []
  const events = createEvents()
  const output = { write: () => undefined, end: () => undefined, dropped: 0 }
  const book = new LogBook({ process: 'control', life: 'test', output, human: false, access: 'memory' })
  const place = await temporaryDirectory()
  const store = given ?? (await openSqliteStore(join(place.path, 'plumb.db')))
  const tokens = options.tokens ?? (await openTokens(store, { environment: 'dev', makesFirst: false, log: silent }))
  const { token, id } = await tokens.create({ name: 'test', role: 'admin', scopes: [], expires: '1d' }, local)
  const app = createAdminApp({
    environment: 'dev',
    version: '1.2.3',
    operations: recording(asked),
    deploys: recording(asked),
    work: recordedWork(asked),
    jobs: recording(asked),
    events,
    journal: events,
    logs: new LogHub(book),
    metrics: createMetrics([]),
    tokens,
    audit: store,
    debug: debugging,
    ready: () => ({ ready: true, reason: null }),
    ...options,
  })
  const listener = await listenAdmin({
    app,
    listen: { host: '127.0.0.1', port: 0 },
    dataDir: directory.path,
    onTunnel: socket => socket.terminate(),
  })
  let ended: Promise<void> | undefined
  const close = (): Promise<void> => {
    ended ??= listener.close(100)
    return ended
  }
  return {
    url: `http://127.0.0.1:${listener.port}`,
    token,
    actor: { name: `test (${id})`, via: 'token', role: 'admin', scopes: [], token: id, address: '127.0.0.1' },
    tokens,
    store,
    socketPath: listener.socketPath,
    dataDir: directory.path,
    asked,
    events,
    book,
    close,
    async [Symbol.asyncDispose]() {
      await close()
      if (!given) await store[Symbol.asyncDispose]()
      await place[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}

/** The user of the server, over the socket. */
export const local: Actor = { name: 'local', via: 'socket', role: 'admin', scopes: [], token: null, address: null }
export const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
/** Of a server that may be debugged and has no workers. */
export const debugging = createDebugOperations({
  isAllowed: true,
  host: { targets: () => [], sessions: () => [], detachAll: () => 0, attach: () => Promise.reject(new Error('There are no workers')) },
})

/** Calls with the token; body and headers as given. */
export async function call(
  server: TestServer,
  method: string,
  path: string,
  { body, headers = {}, token = server.token }: { body?: unknown; headers?: Record<string, string>; token?: string | null } = {},
): Promise<{ status: number; headers: Record<string, unknown>; body: JsonObject }> {
  const answer = await request(`${server.url}${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.body.text()
  return { status: answer.statusCode, headers: answer.headers, body: text === '' ? {} : JSON.parse(text) }
}

function recording<Port extends object>(asked: Asked[]): Port {
  return new Proxy({} as Port, {
    get:
      (_, operation: string) =>
      async (...args: unknown[]) => {
        asked.push({ operation, args })
        if (args[0] === 'sql/refused')
          throw new Refusal(409, 'STALE', 'Cannot do it as it is stale', [
            { code: 'YAML_SYNTAX', severity: 'error', message: 'Cannot read it' },
          ])
        if (args[0] === 'sql/broken') throw new Error('password=hunter2 in line 3')
        return { operation }
      },
  }) // answers every operation of the port alike
}

/** A task of each state, by the name of the state. */
function recordedWork(asked: Asked[]): WorkOperations {
  const note = (operation: string, ...args: unknown[]) => void asked.push({ operation, args })
  const task = { seq: 7, id: 'dead', state: 'dead' as const }
  return {
    async list(page) {
      note('list', page)
      return page.limit === 1 ? [task] : []
    },
    get: async id => (id === 'ready' || id === 'running' || id === 'dead' ? { id, state: id, payload: { to: 'Jane' } } : undefined),
    async resubmit(which, actor) {
      note('resubmit', which, actor)
      return which.id === undefined ? 3 : which.id === 'dead' ? 1 : 0
    },
    async discard(id, actor) {
      note('discard', id, actor)
      return id === 'dead' || id === 'ready'
    },
    counts: () => ({ ready: 1, running: 2, dead: 3 }),
  }
}

/** A journal in memory, and the subscription to it. */
function createEvents() {
  const kept: JournalEvent[] = []
  const listeners = new Set<Parameters<Events['subscribe']>[0]>()
  return {
    listeners,
    emit(type: string, body: JsonObject = {}) {
      const event = { seq: kept.length + 1, at: '2026-01-01T00:00:00.000Z', type, body }
      kept.push(event)
      for (const listener of listeners) listener(event)
    },
    subscribe(listener: Parameters<Events['subscribe']>[0]) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    readJournal: async (after: number, limit: number) => kept.filter(event => event.seq > after).slice(0, limit),
  }
}
