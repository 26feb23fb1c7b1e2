// How long the compilation of service code takes: an estate of 100 services cold, from the disk cache, unchanged, and with one
// changed file. Prints rows of { bench, value, unit, goal, holds, spread }; medians, spread is p10 to p90.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServiceCompiler } from '../reconcile/compile/services/compiler.ts'
import { builtinVocabulary } from '../schema/vocabulary.ts'
import { memoryTree } from '../test/tree.ts'

const services = 100
const rounds = 30

const vocabulary = builtinVocabulary()
const directory = await mkdtemp(join(tmpdir(), 'plumb-bench-'))
try {
  const cold = await timeCompile(directory, estate(0))
  const fromDisk = await timeCompile(directory, estate(0))
  print('100 services, cold', [cold], null)
  print('100 services, disk cache', [fromDisk], null)
  await using compiler = createServiceCompiler({ cacheDirectory: directory })
  await compiler.compileServices(memoryTree(estate(0)), 'services', vocabulary)
  const unchanged: number[] = []
  const changed: number[] = []
  for (let round = 1; round <= rounds; round++) {
    const [one, same] = [memoryTree(estate(round)), memoryTree(estate(round))]
    changed.push(await elapsed(() => compiler.compileServices(one, 'services', vocabulary)))
    unchanged.push(await elapsed(() => compiler.compileServices(same, 'services', vocabulary)))
  }
  print('one of 100 services changed', changed.slice(5), 60)
  print('none of 100 services changed', unchanged.slice(5), 20)
} finally {
  await rm(directory, { recursive: true })
}

async function timeCompile(cacheDirectory: string, files: Record<string, string>): Promise<number> {
  await using compiler = createServiceCompiler({ cacheDirectory })
  return await elapsed(() => compiler.compileServices(memoryTree(files), 'services', vocabulary))
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

function estate(round: number): Record<string, string> {
  const files: Record<string, string> = {
    'services/shared/types.ts': "export interface Address { street: string; city: string }\nexport type Segment = 'RNZ' | 'CM1L'\n",
    'services/shared/format.ts': 'export const upper = (text: string) => text.toUpperCase()\n',
  }
  for (let index = 0; index < services; index++)
    files[`services/area${index % 10}/service-${index}.ts`] = `import { service } from 'plumb-server'
import type { Address, Segment } from '../shared/types.ts'
import { upper } from '../shared/format.ts'

interface Item { sku: string; /* how many */ count: number; note?: string }
export interface Request${index} {
  /** @minimum 1 */
  id: number
  items: Item[]
  address: Address${index === 0 ? `\n  round${round}?: ${round}` : ''}
}
export interface Response${index} { segment: Segment; total: number; lines: Pick<Item, 'sku' | 'count'>[] }

/** Service number ${index}. */
export const service${index} = service<Request${index}, Response${index}>({
  name: 'area.${index}',
  async handle(request, ctx) {
    await ctx.sql('Billing').query('select 1')
    ctx.log.info({ city: upper(request.address.city) }, 'Processing')
    return { segment: 'RNZ', total: request.items.length, lines: request.items }
  },
})
`
  return files
}

function print(bench: string, values: readonly number[], goal: number | null): void {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (part: number) => Math.round((sorted[Math.floor(part * (sorted.length - 1))] ?? 0) * 10) / 10
  const value = at(0.5)
  console.log(JSON.stringify({ bench, value, unit: 'ms', goal, holds: goal === null ? null : value <= goal, spread: [at(0.1), at(0.9)] }))
}
