import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Redis } from 'ioredis'
import pg from 'pg'
import { expect, test } from 'vitest'
import type { Connection } from '../../adapters/port.ts'
import { adapterTable } from '../../adapters/table.ts'
import { prepareInstance, type Wrapped } from '../../adapters/wrap.ts'
import type { JsonObject } from '../../schema/json.ts'
import { kindName } from '../../schema/ref.ts'
import { blackHole } from '../black-hole.ts'
import { entryOf, quietSurroundings, unsealed } from '../engine/generation/fixtures.ts'
import { postgresql, redis, testWith } from '../services.ts'
import { until } from '../until.ts'

interface Opened<Client> extends AsyncDisposable {
  readonly wrapped: Wrapped
  readonly client: Client
}

async function open<Client>(kind: string, spec: JsonObject, secrets: Record<string, string> = {}, workers = 1): Promise<Opened<Client>> {
  const row = adapterTable().get(kindName(kind))
  assert(row)
  const entry = entryOf(`${kind}/main`, spec, { secrets })
  const declared = { resource: entry.resource, secrets: unsealed(entry) }
  const wrapped = await prepareInstance(row.adapter, declared, { ...quietSurroundings, workers })
  const view = wrapped.view(declared, () => undefined) as Connection<Client> // the adapter has a ping
  return { wrapped, client: view.client as Client, [Symbol.asyncDispose]: () => wrapped.close() } // it is not closed
}

const sql = (spec: JsonObject = {}) => ({
  type: 'postgresql',
  host: postgresql.host,
  port: postgresql.port,
  db_name: postgresql.database,
  username: postgresql.user,
  ...spec,
})
const testSql = await testWith(postgresql)
const testRedis = await testWith(redis)

testSql('sql gives services the pg pool itself', async () => {
  await using opened = await open<pg.Pool>('sql', sql())
  assert(opened.client instanceof pg.Pool)
  const { rows } = await opened.client.query('SELECT current_setting($1) AS name', ['application_name'])
  assert.deepEqual(rows, [{ name: 'plumb main' }])
})

testSql('sql divides its pool among the workers, at least one each', async () => {
  await using half = await open<pg.Pool>('sql', sql({ pool_size: 5 }), {}, 2)
  await using one = await open<pg.Pool>('sql', sql({ pool_size: 2 }), {}, 8)
  assert.deepEqual([half.client.options.max, one.client.options.max], [2, 1])
})

testSql('sql ends a statement at the timeout it declares', async () => {
  await using opened = await open<pg.Pool>('sql', sql({ timeout: 1 }))
  await assert.rejects(opened.client.query('SELECT pg_sleep(30)'))
})

for (const [what, spec, expected] of [
  [
    'the login',
    { username: 'nobody_at_all' },
    /^the server refused the login: user "nobody_at_all" at 127\.0\.0\.1:5432, .*SQLSTATE 28000$/,
  ],
  ['the database', { db_name: 'no_such_db' }, /^there is no such database: .*database "no_such_db", SQLSTATE 3D000$/],
] as const)
  testSql(`sql says that the server refused ${what}, with the SQLSTATE and no password`, async () => {
    await using opened = await open<pg.Pool>('sql', sql(spec), { '/password': 'hunter2hunter2' })
    const { reason } = await opened.wrapped.ping()
    expect(reason).toMatch(expected)
    expect(reason).not.toContain('hunter2')
  })

testSql('sql survives the loss of a client that is in use, and of one that is idle', async () => {
  await using opened = await open<pg.Pool>('sql', sql())
  await using other = await open<pg.Pool>('sql', sql())
  const pidOf = async (client: pg.PoolClient): Promise<number> => (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid
  const inUse = await opened.client.connect()
  const idle = await opened.client.connect()
  const pids = [await pidOf(inUse), await pidOf(idle)]
  idle.release()
  const lost = once(inUse, 'error')
  await other.client.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids])
  await lost
  inUse.release(true)
  await until(() => opened.client.totalCount === 0, 'both clients are gone')
  assert.equal((await opened.client.query('SELECT 1 AS one')).rows[0].one, 1)
})

testSql('sql closes while a client is out that nobody gives back', async () => {
  const opened = await open<pg.Pool>('sql', sql())
  await opened.client.connect()
  await opened.wrapped.close()
})

test('sql of a type that is not served is refused', async () => {
  await assert.rejects(open('sql', sql({ type: 'oracle' })), /its type is not served: "oracle"/)
})

testRedis('redis gives services the ioredis client itself', async () => {
  await using opened = await open<Redis>('redis', { host: redis.host, port: redis.port })
  await opened.wrapped.ping()
  assert.equal(await opened.client.echo('hello'), 'hello')
})

testRedis('redis says that the server refused the login', async () => {
  await using opened = await open<Redis>(
    'redis',
    { host: redis.host, port: redis.port, username: 'nobody' },
    { '/password': 'hunter2hunter2' },
  )
  const { reason } = await opened.wrapped.ping()
  expect(reason).toBe('the server refused the login: user "nobody" at 127.0.0.1:6379, WRONGPASS')
})

testRedis('redis fails a command at once while it is not connected', async () => {
  await using opened = await open<Redis>('redis', { host: '127.0.0.1', port: 9 })
  await assert.rejects(opened.client.get('a'))
})

for (const [kind, spec] of [
  ['outgoing_rest', (port: number) => ({ host: `http://127.0.0.1:${port}`, url_path: '/' })],
  ['sql', (port: number) => sql({ port })],
  ['redis', (port: number) => ({ host: '127.0.0.1', port, connect_timeout: 60 })],
] as const)
  test.concurrent(`${kind} gives up a connect that nobody answers within 6 s`, async () => {
    await using hole = await blackHole()
    await using opened = await open(kind, spec(hole.port))
    const startedAt = performance.now()
    assert.equal((await opened.wrapped.ping()).ready, false)
    assert(performance.now() - startedAt < 6_000)
  })
