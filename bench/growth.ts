// What grows with the estate, and how: the same passes at 1,000, 10,000 and 50,000 resources. No goals; a straight line is what one
// hopes for, and the slope is what one learns.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { perFile } from './estate/large.ts'
import { measureCompile } from './large/compile.ts'
import { type Pass, serveLarge } from './large/serve.ts'
import type { Rest } from './rest.ts'
import { type BenchRow, rowOf } from './row.ts'

const sizes = [20, 200, 1_000]
const rounds = 5

export async function run(rest: Rest): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = []
  for (const files of sizes) rows.push(...(await rowsOf(files, rest)))
  return rows
}

async function rowsOf(files: number, rest: Rest): Promise<readonly BenchRow[]> {
  const resources = files * perFile
  const folder = await mkdtemp(join(tmpdir(), 'plumb-probe-'))
  try {
    await using large = await serveLarge(files, '0s', folder)
    const passes: Pass[] = []
    for (let edition = 1; edition <= rounds; edition++) {
      await large.pushChannel(edition)
      passes.push(await large.pass())
      await large.check('channel', edition)
      await rest()
    }
    const memory = await large.workerMegabytes()
    const { cold, cached } = await measureCompile(large.remote, { resources, rounds: 1, rest })
    const phase = (of: readonly Pass[], ...names: readonly string[]) =>
      of.map(({ phases }) => names.reduce((sum, name) => sum + (phases[name] ?? 0), 0))
    return [
      rowOf(`${resources} resources: compile, cold`, cold),
      rowOf(`${resources} resources: compile, disk cache`, cached),
      rowOf(`${resources} resources: plan of all`, phase([large.first], 'plan')),
      rowOf(`${resources} resources: apply of all`, phase([large.first], 'apply')),
      rowOf(`${resources} resources: compile with one change`, phase(passes, 'compile')),
      rowOf(`${resources} resources: plan of one change`, phase(passes, 'plan')),
      rowOf(`${resources} resources: apply of one change`, phase(passes, 'apply')),
      rowOf(`${resources} resources: memory of a worker`, memory, { unit: 'MB' }),
    ]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
