// How long a test waits for its application: `createApp` in a process of its own, as `plumb test` starts it, on the sample estate that was
// compiled before. The whole process, from its spawn to its first answer, is a row beside it.

import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { snapshotOf } from '../cli/kit/compile-estate.ts'
import { treeText, treeVariable } from '../cli/kit/estate.ts'
import type { Rest } from './rest.ts'
import { type BenchRow, rowOf } from './row.ts'

const exec = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const turns = 15
const warmUps = 2

const code = `
import { createApp } from 'plumb-server/test'
const startedAt = performance.now()
await using app = await createApp()
const startMs = performance.now() - startedAt
const { status, json } = await app.request('POST', '/api/v1/client', { json: { client_id: 123 } })
console.log(JSON.stringify({ startMs, wholeMs: performance.now(), answer: [status, json.name] }))
`

export async function run(rest: Rest): Promise<readonly BenchRow[]> {
  const home = await mkdtemp(join(tmpdir(), 'plumb-kit-'))
  try {
    for (const part of ['environments', 'services']) await cp(join(root, part), join(home, part), { recursive: true })
    await writeFile(join(home, 'start.ts'), code)
    await using snapshot = await snapshotOf(home)
    const env = { ...process.env, [treeVariable]: treeText(home, snapshot.digest), NODE_COMPILE_CACHE: join(home, '.plumb', 'node') }
    const starts: number[] = []
    const wholes: number[] = []
    const colds: number[] = []
    for (let turn = -warmUps; turn < turns; turn++) {
      await rest()
      const { stdout } = await exec(process.execPath, ['--import', join(root, 'cli/kit/register.ts'), 'start.ts'], { cwd: home, env })
      const { startMs, wholeMs, answer } = JSON.parse(stdout) as { startMs: number; wholeMs: number; answer: unknown[] } // printed above
      if (answer[0] !== 200 || answer[1] !== 'Jane Doe') throw new Error(`The application answered ${JSON.stringify(answer)}`)
      if (turn === -warmUps) colds.push(startMs)
      else if (turn >= 0) {
        starts.push(startMs)
        wholes.push(wholeMs)
      }
    }
    return [
      rowOf('test kit start', starts, { goal: 100 }),
      rowOf('test kit, process of a test to its first answer', wholes),
      rowOf('test kit start where nothing was compiled', colds),
    ]
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 5 })
  }
}
