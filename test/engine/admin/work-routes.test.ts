import assert from 'node:assert'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { call, startServer, type TestServer } from './server.ts'

const tasks = '/api/v1/environments/dev/tasks'

describe('the queue over the admin API', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  for (const [method, path, body, status, expected, asked] of [
    ['GET', '', undefined, 200, { tasks: [], next: null, counts: { ready: 1, running: 2, dead: 3 } }, [{ limit: 100 }]],
    [
      'GET',
      '?state=dead&service=client.get&limit=1&before=9',
      undefined,
      200,
      { tasks: [{ seq: 7, id: 'dead', state: 'dead' }], next: 7, counts: { ready: 1, running: 2, dead: 3 } },
      [{ limit: 1, state: 'dead', service: 'client.get', before: 9 }],
    ],
    ['GET', '/dead', undefined, 200, { task: { id: 'dead', state: 'dead', payload: { to: 'Jane' } } }, null],
    ['POST', '/dead/resubmit', {}, 200, { resubmitted: 1 }, [{ id: 'dead' }, 'admin']],
    ['POST', '/resubmit', {}, 200, { resubmitted: 3 }, [{}, 'admin']],
    ['POST', '/resubmit', { service: 'client.get' }, 200, { resubmitted: 3 }, [{ service: 'client.get' }, 'admin']],
    ['POST', '/ready/discard', {}, 200, { discarded: 'ready' }, ['ready', 'admin']],
  ] as const)
    test(`${method} /tasks${path} with ${JSON.stringify(body) ?? 'no body'} answers ${status}`, async () => {
      server.asked.length = 0
      const answer = await call(server, method, `${tasks}${path}`, { body })
      assert.deepEqual([answer.status, answer.body], [status, expected])
      assert.deepEqual(
        server.asked.map(({ args }) => args.map(arg => (arg === server.actor.name ? 'admin' : arg))),
        asked === null ? [] : [asked],
      )
    })

  for (const [method, path, status, code, detail] of [
    ['GET', '?state=done', 400, 'REQUEST_INVALID', /state/],
    ['GET', '/gone', 404, 'UNKNOWN', /Cannot find task "gone"/],
    ['POST', '/gone/discard', 404, 'UNKNOWN', /Cannot find task "gone"/],
    ['POST', '/ready/resubmit', 409, 'TASK_STATE', /Cannot resubmit task "ready" as it is ready: only a dead one is accepted/],
    ['POST', '/running/discard', 409, 'TASK_STATE', /Cannot discard task "running" as it is running/],
  ] as const)
    test(`${method} /tasks${path} is refused as ${code}`, async () => {
      const answer = await call(server, method, `${tasks}${path}`, method === 'POST' ? { body: {} } : {})
      assert.deepEqual([answer.status, answer.body.code], [status, code])
      assert.match(String(answer.body.detail), detail)
    })
})
