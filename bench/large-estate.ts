// An estate of 10,000 resources: how long it takes to compile, to look at again, to change one thing in, and to go back; and for
// how long a worker is held while it is built.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRemote } from '../test/e2e/server.ts'
import { largeEstate, perFile } from './estate/large.ts'
import { measureCompile } from './large/compile.ts'
import type { Turns } from './large/probe.ts'
import { type LargeServer, type Pass, serveLarge } from './large/serve.ts'
import { watchWorker } from './large/watch-worker.ts'
import type { Rest } from './rest.ts'
import { type BenchRow, rowOf } from './row.ts'

const files = 200
const resources = files * perFile
const rounds = 9
const warmUps = 4
/** Nothing of the pass before goes on after it. */
const pauseMs = 400

export async function run(rest: Rest): Promise<readonly BenchRow[]> {
  return [...(await compileRows(rest)), ...(await changeRows(rest)), ...(await rollbackRows(rest))]
}

async function compileRows(rest: Rest): Promise<readonly BenchRow[]> {
  await using remote = await createRemote(largeEstate(files, 'requireSecurity: false\nservices: ../../services\n'))
  const { cold, cached, unchanged, yaml } = await measureCompile(remote, { resources, rounds: 7, rest })
  const perYaml = (values: readonly number[]) => values.map((value, at) => value / (yaml[at] ?? Number.NaN))
  return [
    rowOf(`yaml alone, ${resources} resources`, yaml),
    rowOf(`compile of ${resources}, cold`, cold, { goal: 2_500 }),
    rowOf(`compile of ${resources}, disk cache, fresh process`, cached, { goal: 1_000 }),
    // The goals above were set where the library alone takes 600 ms; these say the same of any machine.
    rowOf(`compile of ${resources}, cold / yaml alone`, perYaml(cold), { unit: 'ratio', goal: 4.17 }),
    rowOf(`compile of ${resources}, disk cache / yaml alone`, perYaml(cached), { unit: 'ratio', goal: 1.67 }),
    rowOf(`compile of ${resources}, the same again`, unchanged),
  ]
}

async function changeRows(rest: Rest): Promise<readonly BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'plumb-probe-'))
  try {
    await using large = await serveLarge(files, '0s', folder)
    const passes = { channel: [] as Pass[], service: [] as Pass[], nothing: [] as Pass[], same: [] as Pass[] }
    for (let round = 1 - warmUps; round <= rounds; round++) {
      const edition = round + warmUps
      await rest()
      await large.pushChannel(edition)
      const channel = await large.pass()
      await large.check('channel', edition)
      await rest()
      await large.pushService(edition)
      const service = await large.pass()
      await large.check('service', edition)
      await rest()
      await large.pushNothing(edition)
      const nothing = await large.pass()
      const same = await large.pass()
      if (channel.kind !== 'live' || service.kind !== 'live' || nothing.kind !== 'nothing' || same.kind !== 'nothing')
        throw new Error(`The passes ended as ${[channel, service, nothing, same].map(({ kind }) => kind)}`)
      if (round <= 0) continue
      passes.channel.push(channel)
      passes.service.push(service)
      passes.nothing.push(nothing)
      passes.same.push(same)
    }
    const phase = (of: readonly Pass[], name: string) => of.map(({ phases }) => phases[name] ?? 0)
    const rows = [
      rowOf(`no change in ${resources}, once ls-remote has answered`, passes.same.map(afterHead), { goal: 20 }),
      rowOf(`a commit that changes none of ${resources}, after fetch`, passes.nothing.map(afterFetch)),
      rowOf(`one channel of ${resources} live, after fetch`, passes.channel.map(afterFetch), { goal: 150 }),
      rowOf(`one service beside ${resources} live, after fetch`, passes.service.map(afterFetch), { goal: 150 }),
      ...['fetch', 'tree', 'compile', 'plan', 'apply.check', 'apply.prepare', 'apply.commit', 'apply.activate', 'apply.record'].map(name =>
        rowOf(`one service beside ${resources}: ${name}`, phase(passes.service, name)),
      ),
    ]
    return [...rows, ...(await sliceRows(large, rest))]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** One worker is watched while a channel changes: built, swapped, the former drained. */
async function sliceRows(large: LargeServer, rest: Rest): Promise<readonly BenchRow[]> {
  const pid = (await large.server.pids()).workers[0]
  if (pid === undefined) throw new Error('The server has a worker')
  const turns: Turns[] = []
  for (let round = 1; round <= rounds; round++) {
    const edition = 1_000 + round
    await rest()
    await large.pushChannel(edition)
    const [watched, pass] = await watchWorker(large.probes, pid, async () => {
      const live = await large.pass()
      await sleep(pauseMs)
      return live
    })
    if (pass.kind !== 'live') throw new Error(`The pass ended as ${pass.kind}`)
    await large.check('channel', edition)
    turns.push(watched)
  }
  const of = (name: keyof Turns) => turns.map(each => each[name])
  return [
    rowOf(`worker of ${resources} while one channel changes: longest slice of ours (CPU)`, of('longestMs'), { goal: 10 }),
    rowOf(`worker of ${resources} while one channel changes: the same with garbage collection`, of('longestWithCollectionMs')),
    rowOf(`worker of ${resources} while one channel changes: event loop delay p99.9`, of('delayMs')),
    rowOf(`worker of ${resources} while one channel changes: longest garbage collection`, of('longestCollectionMs')),
    rowOf(`worker of ${resources}: resident memory`, await large.workerMegabytes(), { unit: 'MB' }),
  ]
}

async function rollbackRows(rest: Rest): Promise<readonly BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'plumb-probe-'))
  try {
    await using large = await serveLarge(files, '60s', folder)
    const toLastAnswer: number[] = []
    const whole: number[] = []
    for (let round = 1 - warmUps; round <= rounds; round++) {
      const edition = round + warmUps
      await large.pushChannel(edition)
      const pass = await large.pass()
      await large.check('channel', edition)
      await rest()
      const back = await large.rollback()
      await large.check('channel', 0)
      if (pass.kind !== 'live' || back.kind !== 'live') throw new Error(`The pass ended as ${pass.kind}, the rollback as ${back.kind}`)
      await rest()
      if (round <= 0) continue
      toLastAnswer.push(back.phases.activate ?? Number.NaN)
      whole.push(back.elapsedMs)
    }
    return [
      rowOf(`rollback in probation, ${resources} resources: commit point to the last worker`, toLastAnswer, { goal: 5 }),
      rowOf(`rollback in probation, ${resources} resources: the whole call`, whole),
    ]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function afterHead({ phases, elapsedMs }: Pass): number {
  return elapsedMs - (phases.head ?? 0)
}

/** Up to the last worker's answer; what is written down about it afterwards delays nobody. */
function afterFetch({ phases }: Pass): number {
  const counted = ['tree', 'compile', 'plan', 'apply.check', 'apply.prepare', 'apply.commit', 'apply.activate']
  return counted.reduce((sum, name) => sum + (phases[name] ?? 0), 0)
}
