// Thousands of reloads of one service in one process leave nothing behind: not on the heap, and not in the memory of the process,
// which V8 may keep for code it no longer needs.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'vitest'
import type { Entry } from '../../engine/generation/manifest.ts'
import { serviceResources } from '../../reconcile/compile/service-resources.ts'
import { createServiceCompiler } from '../../reconcile/compile/services/compiler.ts'
import { digestOf } from '../../schema/digest.ts'
import { builtinVocabulary } from '../../schema/vocabulary.ts'
import { settings } from '../reconcile/plan/estate.ts'
import { memoryTree } from '../tree.ts'
import type { Delivery, Measured } from './reloads.ts'

const marks = [2_000, 3_000, 10_000, 12_000]

test('the heap of the last 1,000 of 3,000 reloads grows by 5 % at most, memory between reloads 10,000 and 12,000 by 10 %', async () => {
  const measured = await reload(marks)
  const [at2000, at3000, at10000, at12000] = marks.map(mark => measured.find(({ reloads }) => reloads === mark))
  assert(at2000 && at3000 && at10000 && at12000, JSON.stringify(measured))
  for (const { uncollected } of measured) assert(uncollected <= 2, `${uncollected} module instances are still held`)
  const heapGrowth = at3000.heapBytes / at2000.heapBytes - 1
  const memoryGrowth = at12000.residentBytes / at10000.residentBytes - 1
  console.log(measured.map(told).join('\n'))
  assert(heapGrowth <= 0.05, `The heap grew by ${percent(heapGrowth)}`)
  assert(memoryGrowth <= 0.1, `Memory grew by ${percent(memoryGrowth)}`)
})

test('the measure sees code that holds on to each of its versions', async () => {
  const [before, after] = await reload([200, 300], ';((globalThis as any).versions ??= []).push(() => table)\n')
  assert(before && after)
  assert(after.heapBytes / before.heapBytes - 1 > 0.05, `${before.heapBytes} and ${after.heapBytes} bytes`)
  assert(after.uncollected >= 250, `${after.uncollected} module instances are told to be held`)
})

/** @param more what the service does besides when it is loaded */
async function reload(wanted: readonly number[], more = ''): Promise<readonly Measured[]> {
  const child = spawn(
    process.execPath,
    ['--expose-gc', '--no-compilation-cache', new URL('reloads.ts', import.meta.url).pathname, ...wanted.map(String)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const ended = once(child, 'exit')
  const measured: Measured[] = []
  createInterface({ input: child.stdout }).on('line', line => measured.push(JSON.parse(line) as Measured)) // written by reloads.ts
  const deliver = await deliveries(more)
  for (let edition = 1; edition <= Math.max(...wanted) && child.exitCode === null; edition++)
    if (!child.stdin.write(`${JSON.stringify(deliver(edition))}\n`)) await Promise.race([once(child.stdin, 'drain'), ended])
  child.stdin.end()
  const [code] = await ended
  assert.equal(code, 0)
  return measured
}

/** The service as compilation makes it, once; each edition differs in its code, which is what a reload is. */
async function deliveries(more: string): Promise<(edition: number) => Delivery> {
  await using compiler = createServiceCompiler({ cacheDirectory: null })
  const vocabulary = builtinVocabulary()
  const compiled = await compiler.compileServices(memoryTree(sourcesWith(more)), 'services', vocabulary)
  assert.deepEqual(compiled.issues, [])
  return edition => {
    const modules = [...compiled.modules.values()].map(module => {
      const js = module.js.replaceAll(stamp, String(edition))
      return { ...module, js, digest: digestOf([module.path, js]) }
    })
    const digests = Object.fromEntries(modules.map(({ path, digest }) => [path, digest]))
    const renewed = { ...compiled, services: compiled.services.map(service => ({ ...service, modules: digests })) }
    const set = [...serviceResources(renewed, vocabulary).values()].map(({ secrets: _secrets, at, ...resource }): Entry => {
      return { resource, origin: { from: 'builtin' }, sealed: {}, declaredAt: `${at.path}:${at.line}:${at.column}` }
    })
    return { settings, set, modules, edition }
  }
}

function told({ reloads, heapBytes, residentBytes, elapsedMs }: Measured): string {
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
  return `${reloads} reloads: heap ${megabytes(heapBytes)} MB, resident ${megabytes(residentBytes)} MB, ${Math.round(elapsedMs / 1000)} s`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

const stamp = '123456789'
const sourcesWith = (more: string) => ({
  'services/echo.ts': `import { setTimeout as sleep } from 'node:timers/promises'
import { service } from 'plumb-server'
import { rows } from './rows.ts'

interface EchoRequest { wait?: boolean }
const table = Array.from({ length: 500 }, (_, index) => ({ index, edition: ${stamp} }))
setInterval(() => table.length, 60_000)
process.on('SIGUSR2', () => table.length)
${more}
export const echo = service<EchoRequest, number>({
  name: 'test.echo',
  async handle(request) {
    if (request.wait) await sleep(1)
    return rows().length > 0 ? (table[0]?.edition ?? 0) : 0
  },
})
`,
  'services/rows.ts': `const all = Array.from({ length: 500 }, (_, index) => [index, ${stamp}])\nexport const rows = () => all\n`,
})
