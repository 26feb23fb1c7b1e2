import assert from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'vitest'
import { createTestRuntime, echo, type TestRuntime, unitOf } from './estate.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** Several turns, as finalizers run between them. */
async function collectAll(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    collect()
    await nextTurn()
  }
}

async function reload(runtime: TestRuntime, version: number, top: string): Promise<void> {
  const service = await runtime.load({
    'services/echo.ts': echo(
      'return table.length + rows()',
      `import { rows } from './rows.ts'\nconst table = Array.from({ length: 2000 }, (_, i) => ({ i, at: ${version} }))\n${top}`,
    ),
    'services/rows.ts': `const all = [${version}]\nexport const rows = () => all.length`,
  })
  assert.equal(await service.run(unitOf(), {}), 2001)
  service.close()
}

test('200 reloads leave nothing behind, forgotten timers and listeners included', async () => {
  const runtime = createTestRuntime()
  const top = "setInterval(() => table.length, 1000)\nprocess.on('SIGUSR2', () => table.length)"
  for (let version = 0; version < 20; version++) await reload(runtime, version, top)
  await collectAll()
  const before = process.memoryUsage().heapUsed
  for (let version = 20; version < 220; version++) {
    await reload(runtime, version, top)
    runtime.lines.length = 0
  }
  await collectAll()
  const grown = process.memoryUsage().heapUsed - before
  assert.deepEqual(runtime.leaks(), [])
  assert.equal(runtime.moduleCount, 0)
  // One version's table alone is over 100 kB.
  assert.ok(grown < 4_000_000, `${grown} bytes`)
})

test('leaks() names code that something still holds, and forgets it once it is let go', async () => {
  const runtime = createTestRuntime()
  const holder: { held: unknown[] } = { held: [] }
  Object.assign(globalThis, { leakTestHolder: holder })
  await reload(runtime, 1, ';(globalThis as any).leakTestHolder.held.push(() => table.length)\nsetInterval(() => null, 5000)')
  await reload(runtime, 2, '')
  await collectAll()
  // What it imports is held with it.
  assert.deepEqual(
    runtime.leaks().toSorted((a, b) => a.path.localeCompare(b.path)),
    [
      { path: 'services/echo.ts', count: 1, holders: ['setInterval of 5000 ms (services/echo.ts:5:1)'] },
      { path: 'services/rows.ts', count: 1, holders: [] },
    ],
  )
  assert.equal(runtime.uncollected(), 2)
  holder.held = []
  Reflect.deleteProperty(globalThis, 'leakTestHolder')
  await collectAll()
  assert.deepEqual(runtime.leaks(), [])
})
