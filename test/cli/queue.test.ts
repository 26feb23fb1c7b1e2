import assert from 'node:assert/strict'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { exit } from '../../cli/run.ts'
import { plumb, type Run } from '../e2e/command.ts'
import { startServer, type TestServer } from '../engine/admin/server.ts'

describe('plumb queue', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server[Symbol.asyncDispose]())
  const run = (...args: string[]): Promise<Run> => plumb(['queue', ...args], { server: server.url, token: server.token })

  for (const [args, status, stdout] of [
    [[], exit.done, /^1 ready, 2 running, 3 dead\n$/],
    [['list', '--state', 'dead', '--limit', '1'], exit.done, /dead.*\nMore with --before 7\n$/s],
    [['show', 'dead'], exit.done, /state: dead\npayload:\n\{\n {2}"to": "Jane"\n\}\n$/],
    [['resubmit', 'dead'], exit.done, /^Resubmitted 1\n$/],
    [['resubmit', '--service', 'client.get'], exit.done, /^Resubmitted 3\n$/],
    [['resubmit', '--all', '--json'], exit.done, /"resubmitted": 3/],
    [['discard', 'ready'], exit.done, /^Discarded ready\n$/],
  ] as const)
    test(`${args.join(' ') || 'without an action'} ends with ${status}`, async () => {
      const found = await run(...args)
      assert.equal(found.status, status, found.stderr)
      assert.match(found.stdout, stdout)
    })

  for (const [args, status, stderr] of [
    [['show'], exit.usage, /Cannot show a task as none is named/],
    [['resubmit'], exit.usage, /an id, --service <name> or --all is accepted/],
    [['empty'], exit.usage, /"empty" is no action of it/],
    [['list', '--state', 'done'], exit.usage, /ready, running or dead is accepted/],
    [['discard', 'running'], exit.failed, /Cannot discard task "running" as it is running/],
    [['show', 'gone'], exit.failed, /Cannot find task "gone"/],
  ] as const)
    test(`${args.join(' ')} is refused with ${status}`, async () => {
      const found = await run(...args)
      assert.equal(found.status, status)
      assert.match(found.stderr, stderr)
    })
})
