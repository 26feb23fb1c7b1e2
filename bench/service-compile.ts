// How long the compilation of service code takes: an estate of 100 services cold, from the disk cache, unchanged, and with one
// changed file.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServiceCompiler, type ServiceCompiler } from '../reconcile/compile/services/compiler.ts'
import type { Tree } from '../reconcile/source/tree.ts'
import { builtinVocabulary, type Vocabulary } from '../schema/vocabulary.ts'
import { memoryTree } from '../test/tree.ts'
import type { Rest } from './rest.ts'
import { type BenchRow, rowOf } from './row.ts'

const services = 100
const rounds = 30
const warmUps = 5
const pairs = 3

export async function run(rest: Rest): Promise<readonly BenchRow[]> {
  const vocabulary = builtinVocabulary()
  const [cold, fromDisk]: [number[], number[]] = [[], []]
  for (let pair = 0; pair < pairs; pair++) {
    await rest()
    const directory = await mkdtemp(join(tmpdir(), 'plumb-bench-'))
    cold.push(await timeCompile(directory, estate(0), vocabulary))
    fromDisk.push(await timeCompile(directory, estate(0), vocabulary))
    await rm(directory, { recursive: true })
  }
  await using compiler = createServiceCompiler({ cacheDirectory: null })
  await compiler.compileServices(memoryTree(estate(0)), 'services', vocabulary)
  const unchanged: number[] = []
  const changed: number[] = []
  for (let round = 1; round <= rounds; round++) {
    await rest(0)
    const [one, same] = [memoryTree(estate(round)), memoryTree(estate(round))]
    changed.push(await elapsed(() => compile(compiler, one, vocabulary)))
    unchanged.push(await elapsed(() => compile(compiler, same, vocabulary)))
  }
  return [
    rowOf(`${services} services, cold`, cold),
    rowOf(`${services} services, disk cache`, fromDisk),
    rowOf(`one of ${services} services changed`, changed.slice(warmUps), { goal: 60 }),
    rowOf(`none of ${services} services changed`, unchanged.slice(warmUps), { goal: 20 }),
  ]
}

async function compile(compiler: ServiceCompiler, tree: Tree, vocabulary: Vocabulary): Promise<void> {
  const compiled = await compiler.compileServices(tree, 'services', vocabulary)
  if (compiled.services.length !== services || compiled.issues.length > 0) throw new Error('The services of the bench compile')
}

async function timeCompile(cacheDirectory: string, files: Record<string, string>, vocabulary: Vocabulary): Promise<number> {
  await using compiler = createServiceCompiler({ cacheDirectory })
  return await elapsed(() => compile(compiler, memoryTree(files), vocabulary))
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
