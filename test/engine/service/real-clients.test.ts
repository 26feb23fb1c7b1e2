import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { kindName } from '../../../schema/ref.ts'
import { postgresql, redis, testWith } from '../../services.ts'
import { createTestRuntime, echo, unitOf } from './estate.ts'

const path = 'services/echo.ts'
const ready = (client: unknown) => ({ client, status: () => ({ ready: true, reason: null }) })
const clients = new Map([
  ['sql', [kindName('sql')]],
  ['redis', [kindName('redis')]],
])

const withPostgresql = await testWith(postgresql)
withPostgresql('the pg pool behind the proxy queries, lends clients, and survives its module', async () => {
  const { name: _, ...place } = postgresql
  const pool = new Pool({ ...place, max: 2 })
  const runtime = createTestRuntime({ clients })
  const service = await runtime.load(
    {
      [path]: echo(
        `const db = ctx.sql('Billing')
      const { rows } = await db.query('select $1::int as n', [41])
      const client = await db.connect()
      try { rows.push(...(await client.query('select 42 as n')).rows) } finally { client.release() }
      db.on('error', () => null)
      let refused = ''
      try { await db.end() } catch (error: any) { refused = error.message }
      return [db instanceof request.Pool, rows, db.totalCount, refused.slice(0, 37)]`,
      ),
    },
    {},
  )
  assert.deepEqual(await service.run(unitOf({ 'sql/Billing': ready(pool) }), { Pool }), [
    true,
    [{ n: 41 }, { n: 42 }],
    1,
    'Cannot call end() on sql "Billing" as',
  ])
  assert.equal(pool.listenerCount('error'), 1)
  service.close()
  assert.equal(pool.listenerCount('error'), 0)
  assert.equal((await pool.query('select 1 as n')).rows[0]?.n, 1)
  await pool.end()
})

const withRedis = await testWith(redis)
withRedis('the ioredis client behind the proxy runs commands, pipelines and scripts; its duplicates end with the module', async () => {
  const client = new Redis(redis.port, redis.host, { lazyConnect: true, keyPrefix: 'plumb-test:' })
  const runtime = createTestRuntime({ clients })
  const service = await runtime.load({
    [path]: echo(`
      const redis = ctx.redis('default')
      await redis.set('a', '1', 'EX', 60)
      const piped = await redis.pipeline().incr('a').get('a').exec()
      const [, multi] = await redis.multi().set('b', 'x').get('b').exec()
      const scripted = await redis.eval('return ARGV[1]', 0, 'lua')
      await redis.del('a', 'b')
      request.copies.push(redis.duplicate())
      await request.copies[0].ping()
      return [redis.status, piped, multi, scripted]`),
  })
  const copies: Redis[] = []
  const answer = await service.run(unitOf({ 'redis/default': ready(client) }), { copies })
  assert.deepEqual(answer, [
    'ready',
    [
      [null, 2],
      [null, '2'],
    ],
    [null, 'x'],
    'lua',
  ])
  const ended = new Promise(resolve => copies[0]?.once('end', resolve))
  service.close()
  await ended
  assert.match(runtime.lines[0]?.message ?? '', /client made from redis "default" \(services\/echo\.ts:10:/)
  assert.equal(await client.ping(), 'PONG')
  client.disconnect()
})
