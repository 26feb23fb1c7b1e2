import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { plumb } from '../e2e/command.ts'

/** Answers each call after a second and a half, with nothing that a command could show. */
const server = createServer((_, response) => {
  setTimeout(() => response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"environment":"dev"}'), 1_500)
})
let url = ''
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // of TCP
})
afterAll(() => void server.close())

describe.concurrent('a command whose server takes more than a second says on stderr what it does', () => {
  for (const [line, said] of [
    ['apply 1234', 'Applying'],
    ['explain sql/a', 'Explaining'],
    ['get', 'Reading what is live'],
    ['history', 'Reading the history'],
    ['invoke orders.quote', 'Calling orders.quote'],
    ['ping sql/a', 'Pinging sql/a'],
    ['plan', 'Planning'],
    ['rollback', 'Rolling back'],
    ['status', 'Reading the status'],
    ['sync', 'Syncing'],
  ] as const)
    test(`plumb ${line}`, async () => {
      const { stderr } = await plumb([...line.split(' '), '--json', '--server', url])
      // Once for the greeting and once for the call itself.
      assert.deepEqual(stderr.split('\n').filter(text => text === `${said} …`).length, 2)
    })
})
