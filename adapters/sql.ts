// PostgreSQL through the pg pool itself. Services get the pool; what a deadline needs is set here, since a peer that falls
// silent is noticed by nobody else.

import pg from 'pg'
import type { JsonObject } from '../schema/json.ts'
import { failureOf } from './peer.ts'
import type { Adapter, Declared, Surroundings } from './port.ts'

const connectTimeoutMs = 5_000
const idleTimeoutMs = 30_000
const idleInTransactionMs = 60_000
const keepAliveDelayMs = 10_000
/** How long the close of a pool waits for clients that are out. */
const endPatienceMs = 1_000

export interface SqlInstance {
  readonly pool: pg.Pool
  readonly place: string
  readonly clients: ReadonlySet<pg.PoolClient>
  /** Milliseconds of the clock at which a client last came back without an error. */
  answeredAt: number
  readonly now: () => number
}

export const sqlAdapter: Adapter<SqlInstance, pg.Pool> = {
  prepare(declared, surroundings) {
    if (declared.resource.spec.type !== 'postgresql')
      throw new Error(`its type is not served: "${String(declared.resource.spec.type)}"; postgresql is`)
    return openPool(declared, surroundings)
  },
  view: ({ pool }) => pool,
  ping,
  close: closePool,
}

function openPool({ resource, secrets }: Declared, { workers, log, clock }: Surroundings): SqlInstance {
  const { spec, ref } = resource
  const password = secrets.get('/password')
  const timeoutMs = typeof spec.timeout === 'number' ? spec.timeout * 1000 : undefined
  const pool = new pg.Pool({
    host: String(spec.host),
    port: Number(spec.port),
    database: String(spec.db_name),
    user: String(spec.username),
    // A function also where there is none: else pg would look for one in the environment and the home directory.
    password: () => password?.reveal() ?? '',
    ssl: spec.ssl === true ? { rejectUnauthorized: spec.ssl_verify !== false } : false,
    max: Math.max(1, Math.floor(Number(spec.pool_size ?? 5) / workers)),
    connectionTimeoutMillis: Math.min(connectTimeoutMs, timeoutMs ?? connectTimeoutMs),
    idleTimeoutMillis: idleTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
    application_name: `plumb ${resource.name}`.slice(0, 63),
    ...(timeoutMs !== undefined && { statement_timeout: timeoutMs, query_timeout: timeoutMs }),
  })
  const clients = new Set<pg.PoolClient>()
  const instance: SqlInstance = { pool, place: placeOf(spec), clients, answeredAt: Number.NEGATIVE_INFINITY, now: () => clock.now() }
  const lost = (error: Error) => log.warn({ ref, reason: failureOf(error, instance.place) }, `"${ref}" lost a connection`)
  pool.on('error', lost)
  pool.on('connect', client => {
    clients.add(client)
    // A client that is out when its connection breaks tells it as an event, which would end the process if nobody listened.
    client.on('error', lost)
  })
  pool.on('remove', client => clients.delete(client))
  pool.on('release', error => {
    if (!error) instance.answeredAt = clock.now()
  })
  return instance
}

function placeOf({ username, host, port, db_name }: JsonObject): string {
  return `user "${String(username)}" at ${String(host)}:${String(port)}, database "${String(db_name)}"`
}

async function ping({ pool, place, answeredAt, now }: SqlInstance, signal: AbortSignal): Promise<void> {
  // Where every client is out and they come back without errors, the far end is well; a ping would only wait behind them.
  if (pool.waitingCount > 0 && now() - answeredAt < connectTimeoutMs) return
  const connecting = pool.connect()
  let client: pg.PoolClient | undefined
  const drop = () => connecting.then(late => late.release(true)).catch(() => null) // it failed or was released: nothing is left to drop
  signal.addEventListener('abort', drop, { once: true })
  try {
    client = await connecting
    await client.query('SELECT 1')
  } catch (error) {
    throw new Error(reasonOf(error, place), { cause: error })
  } finally {
    signal.removeEventListener('abort', drop)
  }
  if (!signal.aborted) client.release()
}

function reasonOf(error: unknown, place: string): string {
  const code = error instanceof pg.DatabaseError ? error.code : undefined
  if (code === undefined) return failureOf(error, place)
  const words = code.startsWith('28') ? 'the server refused the login' : (refusals[code] ?? `the server refused`)
  return `${words}: ${place}, SQLSTATE ${code}`
}

const refusals: Readonly<Record<string, string>> = {
  '3D000': 'there is no such database',
  '42501': 'the login lacks a right',
  '53300': 'the server has too many connections',
  '57P03': 'the server is starting up or shutting down',
}

async function closePool({ pool, clients }: SqlInstance): Promise<void> {
  const ended = pool.end()
  let patience: NodeJS.Timeout | undefined
  const impatient = new Promise<'late'>(resolve => {
    patience = setTimeout(resolve, endPatienceMs, 'late')
  })
  const outcome = await Promise.race([ended, impatient])
  clearTimeout(patience)
  // Clients that nobody gave back: their queries fail, and the server is told that they are gone.
  if (outcome === 'late') for (const client of clients) (client as unknown as pg.Client).end().catch(() => null) // a PoolClient is the Client with a release; one that fails to end is gone
}
