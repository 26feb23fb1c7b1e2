// Runs the benches, all or the ones that are named, one after the other: node bench/main.ts [name…]. Prints a table; a run of all of
// them writes bench/results/latest.json. Each bench first makes sure that what it measures answers rightly.
//
// The machine is calibrated between the measurements of a bench, and goals in milliseconds are scaled by what that says: a goal that
// holds only on an idle machine is told apart from one that does not hold.

import { mkdir, writeFile } from 'node:fs/promises'
import { run as boot } from './boot.ts'
import { createCalibration, referenceMs, slownessOf } from './calibration.ts'
import { run as generation } from './generation.ts'
import { run as growth } from './growth.ts'
import { run as jobs } from './jobs.ts'
import { run as kit } from './kit.ts'
import { run as largeEstate } from './large-estate.ts'
import { machineFacts } from './machine.ts'
import { run as observe } from './observe.ts'
import { run as requestCpu } from './request.ts'
import { createRest, type Rest } from './rest.ts'
import { type BenchRow, rowOf, scaledRow } from './row.ts'
import { run as saveLive } from './save-live.ts'
import { run as serviceCompile } from './service-compile.ts'

const benches: Readonly<Record<string, (rest: Rest) => Promise<readonly BenchRow[]>>> = {
  'request-cpu': () => requestCpu(),
  observe: () => observe(),
  'save-live': saveLive,
  boot,
  'large-estate': largeEstate,
  generation,
  'service-compile': serviceCompile,
  growth,
  jobs,
  kit,
}

const asked = process.argv.slice(2)
const unknown = asked.filter(name => !(name in benches))
if (unknown.length > 0) {
  console.error(`Cannot run ${unknown.map(name => `"${name}"`).join(', ')}: accepted are ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}

const before = machineFacts()
const rows: BenchRow[] = []
const calibrations: number[] = []
for (const [name, run] of Object.entries(benches)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  console.log(`\n${name}`)
  rows.push(...(await measured(name, run)))
}
rows.unshift(rowOf('calibration', calibrations))
const results = { at: new Date().toISOString(), machine: before, loadAfter: machineFacts().load, referenceMs, rows }
if (asked.length === 0) {
  await mkdir(new URL('results/', import.meta.url), { recursive: true })
  await writeFile(new URL('results/latest.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`)
}
const missed = rows.filter(({ holds }) => holds === false)
console.log(`\n${rows.length} rows, ${missed.length} goals missed${missed.map(({ bench }) => `\n  ${bench}`).join('')}`)

/** The goals are judged by how fast the machine was meanwhile, which is known only afterwards. */
async function measured(name: string, run: (rest: Rest) => Promise<readonly BenchRow[]>): Promise<readonly BenchRow[]> {
  const meanwhile: number[] = []
  using calibration = createCalibration()
  const rest = createRest(calibration, meanwhile)
  await rest()
  const found = await run(rest)
  await rest()
  calibrations.push(...meanwhile)
  const factor = slownessOf(meanwhile)
  const judged = [rowOf(`calibration during ${name}`, meanwhile), ...found.map(row => scaledRow(row, factor))]
  print(judged)
  return judged
}

function print(found: readonly BenchRow[]): void {
  const width = Math.max(...found.map(({ bench }) => bench.length))
  for (const { bench, value, unit, goal, holds, spread } of found) {
    const verdict = goal === null ? '' : `${holds ? '≤' : '>'} ${goal} ${holds ? 'holds' : 'MISSED'}`
    console.log(`${bench.padEnd(width)}  ${String(value).padStart(8)} ${unit.padEnd(5)}  ${spread.join('–').padEnd(16)}  ${verdict}`)
  }
}
