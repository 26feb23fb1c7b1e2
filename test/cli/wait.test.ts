import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, describe, test } from 'vitest'
import { exit } from '../../cli/run.ts'
import { missingFor, readAwaited } from '../../cli/wait.ts'
import type { JsonObject } from '../../schema/json.ts'
import { plumb } from '../e2e/command.ts'

const serving = { live: { generation: 3 }, workers: [{ id: 1, state: 'serving' }], lastSync: { kind: 'live' } }
const reconciling = { conditions: [{ type: 'Reconciling', status: true, reason: 'Progressing', since: '2026-01-01T00:00:00.000Z' }] }

const looks: readonly (readonly [what: string, wanted: string, status: JsonObject, missing: string | null])[] = [
  ['a server that serves', 'ready', serving, null],
  ['a server with nothing live', 'ready', { ...serving, live: { generation: 0 } }, 'no generation is live'],
  [
    'a server whose first pass failed',
    'ready',
    { workers: [], lastSync: { kind: 'failed', reasons: ['Cannot reach git.example.com'] } },
    'no generation is live: Cannot reach git.example.com',
  ],
  ['a server without a worker', 'ready', { ...serving, workers: [] }, 'no worker is connected'],
  [
    'a server one of whose workers starts',
    'ready',
    { ...serving, workers: [...serving.workers, { id: 2, state: 'booting' }] },
    'worker 2 is booting',
  ],
  ['a pass that brought something', 'synced', serving, null],
  ['a pass that found nothing to do', 'synced', { ...serving, lastSync: { kind: 'nothing' } }, null],
  ['no pass yet', 'synced', { ...serving, lastSync: null }, 'no pass has ended yet'],
  ['a pass under way', 'synced', { ...serving, ...reconciling }, 'a pass is under way'],
  [
    'a pass that was refused',
    'synced',
    { ...serving, lastSync: { kind: 'refused', reasons: ['Cannot read it'] } },
    'the last pass ended refused: Cannot read it',
  ],
  ['that generation', 'generation=3', serving, null],
  ['a later generation', 'generation=2', serving, null],
  ['an earlier generation', 'generation=4', serving, 'generation 3 is live'],
]

for (const [what, wanted, status, missing] of looks)
  test(`missingFor() ${wanted} of ${what} is ${missing ?? 'nothing'}`, () => assert.equal(missingFor(readAwaited(wanted), status), missing))

/** Serves nothing yet at its first answer, and something at the second. */
let asked = 0
const server = createServer((request, response) => {
  const isStatus = request.url?.endsWith('/status')
  const body = isStatus ? { ...serving, live: { generation: asked++ } } : { environment: 'dev' }
  const isRefused = request.headers.authorization === 'Bearer wrong'
  response.writeHead(isRefused ? 401 : 200, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(isRefused ? { detail: 'Cannot take the request', code: 'UNAUTHORIZED' } : body))
})
afterAll(() => void server.close())

describe('plumb wait', () => {
  test('looks again until it is so, at a server that starts meanwhile as well', async () => {
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as AddressInfo // of TCP
    free.close()
    await once(free, 'close')
    const waited = plumb(['wait', '--json', '--timeout', '60s', '--server', `http://127.0.0.1:${port}`])
    setTimeout(() => server.listen(port, '127.0.0.1'), 1_000)
    const { status, json } = await waited
    assert.deepEqual([status, json().reached, json().reason], [exit.done, true, null])
    assert(asked >= 2)
  })

  test('ends with 1 and the reason when its time is over', async () => {
    const { port } = server.address() as AddressInfo // of TCP
    const { status, stderr } = await plumb([
      'wait',
      '--for',
      'generation=1000000',
      '--timeout',
      '300ms',
      '--server',
      `http://127.0.0.1:${port}`,
    ])
    assert.equal(status, exit.failed)
    assert.match(stderr, /^Cannot wait longer for generation=1000000 as 300ms are over: generation \d+ is live; plumb status shows more$/m)
  })

  test('does not wait for a server that refuses its token', async () => {
    const { port } = server.address() as AddressInfo // of TCP
    const { status, stderr } = await plumb(['wait', '--server', `http://127.0.0.1:${port}`], { token: 'wrong' })
    assert.deepEqual([status, stderr], [exit.failed, 'Cannot take the request\n'])
  })

  for (const [args, said] of [
    [['--for', 'soon'], 'Cannot wait for "soon": ready, synced and generation=N are accepted'],
    [['--for', 'generation=x'], 'Cannot use --for generation as it is "x": a whole number from 1 on is accepted'],
    [['--timeout', '5'], 'Cannot use --timeout as it is "5": a whole number and a unit, such as 500ms, 60s, 5m or 1h, is accepted'],
  ] as const)
    test(`${args.join(' ')} is refused`, async () => {
      const { status, stderr } = await plumb(['wait', ...args])
      assert.deepEqual([status, stderr], [exit.usage, `${said}\n`])
    })
})
