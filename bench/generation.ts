// How long a worker takes to build a generation beside the live one, and how long it keeps the event loop meanwhile: an estate of
// 10,000 resources (60 % channels) cold, and with one channel or one shared credential changed.
//
// A slice is what runs between two turns of the event loop, in CPU time of the thread; what the garbage collector took of it is
// printed beside it and not counted, as it depends on the size of the heap and not on how the work is cut.

import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { adapterTable } from '../adapters/table.ts'
import type { BuiltGeneration } from '../engine/generation/built.ts'
import { releaseGeneration } from '../engine/generation/drain.ts'
import { Instances } from '../engine/generation/instances.ts'
import type { Entry } from '../engine/generation/manifest.ts'
import { channelRow } from '../engine/plane/channel.ts'
import { createRouter } from '../engine/plane/router.ts'
import type { JsonObject } from '../schema/json.ts'
import { buildIn, entryOf, manifestOf, memoryAdapter, rowOf as memoryRow } from '../test/engine/generation/fixtures.ts'
import type { Rest } from './rest.ts'
import { type BenchRow, rowOf } from './row.ts'

const size = 10_000
const rounds = 9

export async function run(rest: Rest): Promise<readonly BenchRow[]> {
  const table = adapterTable([channelRow, memoryRow('service', memoryAdapter()), memoryRow('pool', memoryAdapter({ hasPing: true }))])
  const collections: PerformanceEntry[] = []
  const observer = new PerformanceObserver(list => void collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  const cold: Measured[] = []
  const channel: Measured[] = []
  const credential: Measured[] = []
  for (let round = 0; round < rounds; round++) {
    await rest()
    await using instances = new Instances()
    const at = { table, instances }
    const manifest = manifestOf(...estate())
    let live = await measured(cold, collections, () => buildIn(at, manifest, { router: createRouter() }))
    for (const [into, changed] of [
      [channel, channelOf(0, round + 1)],
      [credential, securityOf(6, round + 1)],
    ] as const) {
      const entries = new Map(live.manifest.entries).set(changed.resource.ref, changed)
      const delta = { changed: [changed.resource.ref], removed: [] }
      const previous: BuiltGeneration = live
      live = await measured(into, collections, () => buildIn(at, { ...manifest, entries }, { base: previous, delta }))
      if (!live.manifest.entries.has(changed.resource.ref) || live.router.size !== previous.router.size)
        throw new Error('A generation with one change holds all the rest')
      await releaseGeneration(previous, instances)
    }
  }
  observer.disconnect()
  return Object.entries({ cold, 'one channel changed': channel, 'one shared credential changed': credential }).flatMap(
    ([what, measures]) => [
      rowOf(
        `building a generation of ${size}, ${what}`,
        measures.map(({ elapsedMs }) => elapsedMs),
      ),
      rowOf(
        `building a generation of ${size}, ${what}: longest slice (CPU)`,
        measures.map(({ sliceMs }) => sliceMs),
        { goal: 10 },
      ),
      rowOf(
        `building a generation of ${size}, ${what}: longest garbage collection`,
        measures.map(({ collectionMs }) => collectionMs),
      ),
    ],
  )
}

interface Measured {
  readonly elapsedMs: number
  readonly sliceMs: number
  readonly collectionMs: number
}

async function measured<Result>(into: Measured[], collections: PerformanceEntry[], work: () => Promise<Result>): Promise<Result> {
  const slices: { readonly from: number; readonly to: number; readonly cpuMs: number }[] = []
  let isDone = false
  let from = performance.now()
  let cpu = cpuMs()
  const turn = () => {
    const [to, spent] = [performance.now(), cpuMs()]
    slices.push({ from, to, cpuMs: spent - cpu })
    from = to
    cpu = spent
    if (!isDone) setImmediate(turn)
  }
  setImmediate(turn)
  const startedAt = performance.now()
  const result = await work()
  const elapsedMs = performance.now() - startedAt
  isDone = true
  // Entries of the observer come with a turn of the loop.
  await new Promise(resolve => setTimeout(resolve, 20))
  const during = collections.splice(0).filter(entry => entry.startTime >= startedAt)
  const collectedIn = (start: number, end: number) =>
    during.filter(entry => entry.startTime >= start && entry.startTime < end).reduce((sum, { duration }) => sum + duration, 0)
  into.push({
    elapsedMs,
    sliceMs: Math.max(0, ...slices.map(slice => Math.min(slice.cpuMs, slice.to - slice.from) - collectedIn(slice.from, slice.to))),
    collectionMs: Math.max(0, ...during.map(({ duration }) => duration)),
  })
  return result
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function estate(): Entry[] {
  return Array.from({ length: size }, (_, index) => {
    const kind = index % 10
    if (kind < 6) return channelOf(index, 0)
    if (kind === 6) return securityOf(index, 0)
    if (kind === 7) return entryOf(`pool/p${index}`, { index })
    return entryOf(`service/v${index}`, { index }, { refs: [`pool/p${index - kind + 7}`] })
  })
}

function channelOf(index: number, edition: number): Entry {
  const security = `s${(index % 50) * 10 + 6}`
  const service = `v${index - (index % 10) + 8}`
  const spec: JsonObject = { url_path: `/api/v${index % 7}/area${index % 100}/thing${index}/{id}`, security, service, edition }
  return entryOf(`channel_rest/c${index}`, spec, { refs: [`security/${security}`, `service/${service}`] })
}

function securityOf(index: number, edition: number): Entry {
  return entryOf(`security/s${index}`, { type: 'apikey', edition }, { secrets: { '/password': `secret ${index}` } })
}
