import { once } from 'node:events'
import { createServer } from 'node:http'
import { adapterTable } from '../../adapters/table.ts'
import { channelRow } from '../../engine/plane/channel.ts'
import type { JsonObject } from '../../schema/json.ts'
import { kindName } from '../../schema/ref.ts'
import { adapterConformance, type Subject } from '../conformance/adapter.ts'
import { entryOf, unsealed } from '../engine/generation/fixtures.ts'
import { postgresql, redis, testWith } from '../services.ts'

function subjectOf(
  kind: string,
  specOf: (port: number) => JsonObject,
  rest: Partial<Subject> & { secrets?: Record<string, string> } = {},
): Subject {
  const row = adapterTable([channelRow]).get(kindName(kind))
  if (!row) throw new Error(`no row for ${kind}`)
  const { secrets = {}, ...subject } = rest
  return {
    adapter: row.adapter,
    declare(port, edition = 0) {
      const entry = entryOf(`${kind}/one`, { name: 'one', ...specOf(port), description: `edition ${edition}` }, { secrets })
      return { resource: entry.resource, secrets: unsealed(entry) }
    },
    ...subject,
  }
}

adapterConformance('security', () => subjectOf('security', () => ({ type: 'apikey' }), { secrets: { '/password': 'correct horse' } }))
adapterConformance('groups', () => subjectOf('groups', () => ({ members: [] })))
adapterConformance('channel_rest', () => subjectOf('channel_rest', () => ({ service: 'orders.get', url_path: '/orders' })))
adapterConformance('outgoing_rest', async () => {
  const server = createServer((_request, response) => response.end('{}'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: farPort } = server.address() as { port: number } // a TCP server that listens has one
  return subjectOf('outgoing_rest', port => ({ host: `http://127.0.0.1:${port}`, url_path: '/' }), {
    farPort,
    async dispose() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  })
})
adapterConformance(
  'sql',
  () =>
    subjectOf(
      'sql',
      port => ({ type: 'postgresql', host: '127.0.0.1', port, db_name: postgresql.database, username: postgresql.user, timeout: 1 }),
      {
        farPort: postgresql.port,
        secrets: { '/password': 'never asked for' },
      },
    ),
  await testWith(postgresql),
)
adapterConformance('redis', () => subjectOf('redis', port => ({ host: '127.0.0.1', port }), { farPort: redis.port }), await testWith(redis))
