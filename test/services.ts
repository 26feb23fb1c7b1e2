// The real servers some tests need. Where one is missing its tests are skipped by name; in CI that is a failure.

import { connect } from 'node:net'
import { test } from 'vitest'

export const postgresql = { name: 'PostgreSQL', host: '127.0.0.1', port: 5432, user: 'postgres', database: 'test' } as const
export const redis = { name: 'Redis', host: '127.0.0.1', port: 6379 } as const

type Test = (name: string, act: () => Promise<void> | void, timeoutMs?: number) => void

/** `test` where the server answers or CI demands it, else a skip that names it. */
export async function testWith(server: { readonly name: string; readonly host: string; readonly port: number }): Promise<Test> {
  if (process.env.CI === 'true' || (await answers(server.host, server.port))) return test
  return name => test.skip(`${name} (needs ${server.name} at ${server.host}:${server.port})`)
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: 1_000 })
    const settle = (outcome: boolean) => {
      socket.destroy()
      resolve(outcome)
    }
    socket
      .once('connect', () => settle(true))
      .once('error', () => settle(false))
      .once('timeout', () => settle(false))
  })
}
