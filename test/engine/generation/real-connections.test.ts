import assert from 'node:assert/strict'
import type pg from 'pg'
import type { Connection } from '../../../adapters/port.ts'
import { adapterTable } from '../../../adapters/table.ts'
import type { BuiltGeneration } from '../../../engine/generation/built.ts'
import { drainGeneration } from '../../../engine/generation/drain.ts'
import { Instances } from '../../../engine/generation/instances.ts'
import { parseRef } from '../../../schema/ref.ts'
import { postgresql, redis, testWith } from '../../services.ts'
import { tcpProxy } from '../../tcp-proxy.ts'
import { until } from '../../until.ts'
import { buildIn, entryOf, manifestOf, quietSurroundings } from './fixtures.ts'

const ledger = (port: number, spec = {}, password = 'first') =>
  entryOf(
    'sql/ledger',
    { type: 'postgresql', host: '127.0.0.1', port, db_name: postgresql.database, username: postgresql.user, ...spec },
    { inPlace: ['preflight'], secrets: { '/password': password } },
  )
const cache = (port: number) => entryOf('redis/cache', { host: '127.0.0.1', port })
const connection = <Client>(generation: BuiltGeneration, ref: string) => generation.resolve(parseRef(ref)) as Connection<Client>

const testSql = await testWith(postgresql)
const testRedis = await testWith(redis)

testSql('a generation whose database refuses is not built; one that only warns is, and its connection recovers by itself', async () => {
  await using instances = new Instances()
  await using proxy = await tcpProxy(postgresql)
  const table = adapterTable()
  await proxy.refuse()
  await assert.rejects(buildIn({ table, instances }, manifestOf(ledger(proxy.port))), {
    reasons: [
      `Cannot prepare "sql/ledger" as the connection was refused: user "postgres" at 127.0.0.1:${proxy.port}, database "test", ECONNREFUSED`,
    ],
    retryable: true,
  })
  assert.equal(instances.size, 0)
  const generation = await buildIn({ table, instances }, manifestOf(ledger(proxy.port)), { preflight: 'warn' })
  const { client, status } = connection<pg.Pool>(generation, 'sql/ledger')
  assert.equal(status().ready, false)
  assert.equal(generation.degraded().length, 1)
  await proxy.accept()
  await until(() => status().ready, 'the connection is ready')
  assert.equal((await client?.query('SELECT 1 AS one'))?.rows[0].one, 1)
  assert.deepEqual(generation.degraded(), [])
})

testSql('a change of the password reconnects beside the old pool, whose query in flight ends; one in place keeps the pool', async () => {
  await using instances = new Instances()
  await using proxy = await tcpProxy(postgresql)
  const at = { table: adapterTable(), instances }
  const one = await buildIn(at, manifestOf(ledger(proxy.port)))
  const two = await buildIn(at, manifestOf(ledger(proxy.port, { preflight: 'warn' })), { base: one })
  const three = await buildIn(at, manifestOf(ledger(proxy.port, { preflight: 'warn' }, 'second')), { base: two })
  const pools = [one, two, three].map(generation => connection<pg.Pool>(generation, 'sql/ledger').client)
  assert.equal(pools[0], pools[1])
  assert.notEqual(pools[1], pools[2])
  const leave = one.enter()
  const query = pools[0]?.query('SELECT pg_sleep(0.2), 7 AS seven').finally(leave)
  const options = { instances, clock: quietSurroundings.clock, deadlineMs: 5_000 }
  const drains = [one, two].map(generation => drainGeneration(generation, options))
  assert.equal((await query)?.rows[0].seven, 7)
  assert.deepEqual(
    (await Promise.all(drains)).map(({ kind }) => kind),
    ['drained', 'drained'],
  )
  assert.equal(pools[0]?.ended, true)
  assert.equal((await pools[2]?.query('SELECT 1 AS one'))?.rows[0].one, 1)
})

testRedis('an apply pings what it changes and nothing else', async () => {
  await using instances = new Instances()
  await using proxy = await tcpProxy(redis)
  const at = { table: adapterTable(), instances }
  const one = await buildIn(at, manifestOf(cache(proxy.port)))
  await proxy.refuse()
  const two = await buildIn(at, manifestOf(cache(proxy.port), entryOf('security/new', { type: 'apikey' })), { base: one })
  assert.equal(two.resolve(parseRef('redis/cache')), one.resolve(parseRef('redis/cache')))
})
