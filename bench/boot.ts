// From the spawn of `plumb serve` to its first answer, with nothing of the world outside: the repository is gone, and neither
// PostgreSQL nor Redis nor the CRM answers. What was live is served from the data directory.

import { execFile } from 'node:child_process'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createRemote, freePort, startServer } from '../test/e2e/server.ts'
import { firstAnswer } from './poll.ts'
import type { Rest } from './rest.ts'
import { type BenchRow, rowOf } from './row.ts'

const exec = promisify(execFile)
const turns = 9
const warmUps = 1

/** Nothing listens on port 1; the names are those of the sample estate. */
const away = {
  'environments/dev/connections.yaml': `sql:
  - name: Billing
    port: 1
    db_name: test
    username: postgres
redis:
  - name: default
    port: 1
outgoing_rest:
  - name: CRM
    host: http://127.0.0.1:1
`,
}

export async function run(rest: Rest): Promise<readonly BenchRow[]> {
  const home = await mkdtemp(join(tmpdir(), 'plumb-boot-'))
  await using remote = await createRemote('sample')
  try {
    await remote.write(away)
    await remote.push('away')
    const data = join(home, 'data')
    const [channelsPort, adminPort] = [await freePort(), await freePort()]
    const serve = () => startServer({ source: remote.url, data, workers: 2, channelsPort, adminPort })
    {
      await using first = await serve()
      await first.until(({ live, workers }) => live.serial > 0 && workers.every(({ generation }) => generation === live.generation))
      await first.stop()
    }
    await rename(remote.url, `${remote.url}.away`)

    const elapsed: number[] = []
    const bare: number[] = []
    for (let turn = -warmUps; turn < turns; turn++) {
      const probe = {
        origin: `http://127.0.0.1:${channelsPort}`,
        path: '/api/v1/client',
        method: 'POST',
        body: '{"client_id":123}',
      } as const
      await rest()
      const bareAt = performance.now()
      await exec(process.execPath, ['-e', '0'])
      if (turn >= 0) bare.push(performance.now() - bareAt)
      const startedAt = performance.now()
      const server = await serve()
      try {
        const answeredAt = await firstAnswer(probe, ({ status, body }) => status === 200 && body.includes('"Jane Doe"'))
        if (turn >= 0) elapsed.push(answeredAt - startedAt)
        await server.stop()
      } finally {
        await server[Symbol.asyncDispose]()
      }
    }
    return [
      // A boot starts five processes, one after the other; this says what one costs the machine today.
      rowOf('start of Node alone, spawn to exit', bare),
      rowOf('boot without git, PostgreSQL and Redis', elapsed, { goal: 2_000 }),
    ]
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
}
