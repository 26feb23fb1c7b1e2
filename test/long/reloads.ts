// What a worker does thousands of times in its life, in a process of its own: it is handed the compiled code of a service, builds the
// next generation beside the live one, swaps, and lets the former drain while calls are in flight on it. Nothing is compiled here.
//
// Run as: node --expose-gc --no-compilation-cache reloads.ts <marks…>. Reads one Delivery a line; after as many reloads as a mark
// says it collects garbage and prints a Measured.

import assert from 'node:assert/strict'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../../adapters/clock.ts'
import { adapterTable } from '../../adapters/table.ts'
import { createIntake } from '../../engine/generation/activate.ts'
import { Instances } from '../../engine/generation/instances.ts'
import { createLeases } from '../../engine/generation/leases.ts'
import type { Entry, Settings } from '../../engine/generation/manifest.ts'
import { channelRow } from '../../engine/plane/channel.ts'
import { createRouter } from '../../engine/plane/router.ts'
import { invokeService } from '../../engine/process/calls.ts'
import { Held } from '../../engine/process/held.ts'
import { createServiceRuntime } from '../../engine/service/runtime.ts'
import type { Module } from '../../schema/resource.ts'

/** What control would send. */
export interface Delivery {
  readonly settings: Settings
  readonly set: readonly Entry[]
  readonly modules: readonly Module[]
  /** What the service answers. */
  readonly edition: number
}

export interface Measured {
  readonly reloads: number
  readonly heapBytes: number
  readonly residentBytes: number
  /** Module instances that were let go and are still there. */
  readonly uncollected: number
  readonly elapsedMs: number
}

const callsInFlight = 3
const marks = process.argv.slice(2).map(Number)
const collect = globalThis.gc
assert(collect, 'The process is started with --expose-gc')

const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const runtime = createServiceRuntime({
  moduleOf: digest => held.moduleOf(digest),
  dependencies: () => null,
  fileName: path => path,
  clients: new Map(),
  log,
})
const held: Held = new Held({
  table: adapterTable([channelRow, { kind: runtime.kind, adapter: runtime.adapter }]),
  instances: new Instances(),
  surroundings: { clock: systemClock, log, workers: 1 },
  intake: createIntake(createLeases({ port: { acquire: async () => null, release: async () => true }, clock: systemClock, log })),
  emptyRouter: createRouter(),
  unsealer: () => null,
  onLive: () => undefined,
})

const startedAt = performance.now()
let live = 0
for await (const line of deliveredLines()) {
  await reload(JSON.parse(line) as Delivery) // written by the test
  if (marks.includes(live)) console.log(JSON.stringify(await measure()))
}
await held.close()

/** Holds one chunk of the pipe at most: readline would hold up to 1,024 lines, which the heap is measured with. */
async function* deliveredLines(): AsyncGenerator<string> {
  let rest = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}

async function reload({ settings, set, modules, edition }: Delivery): Promise<void> {
  const generation = live + 1
  await held.begin({
    generation,
    base: live === 0 ? null : live,
    revision: null,
    settings,
    lockfile: null,
    libraries: null,
    preflight: 'warn',
  })
  held.part({ generation, set, unset: [], modules })
  held.name({ generation, manifest: `${generation}` })
  await held.prepare(generation)
  // They begin on the former generation and end on it, after the swap.
  const calls =
    live === 0
      ? []
      : Array.from({ length: callsInFlight }, () => invokeService(held.slots.live, { service: 'test.echo', payload: { wait: true } }))
  held.activate({ generation, keepPrevious: false, drainMs: 1_000 })
  live = generation
  const answer = await invokeService(held.slots.live, { service: 'test.echo', payload: {} })
  assert(answer.kind === 'answered' && answer.payload === edition, `Reload ${generation} answers ${JSON.stringify(answer)}`)
  for (const call of await Promise.all(calls)) assert(call.kind === 'answered' && call.generation === generation - 1, JSON.stringify(call))
  while (held.slots.draining.size > 0) await nextTurn()
}

async function measure(): Promise<Measured> {
  await collected()
  const { heapUsed, rss } = process.memoryUsage()
  return {
    reloads: live,
    heapBytes: heapUsed,
    residentBytes: rss,
    uncollected: runtime.uncollected(),
    elapsedMs: performance.now() - startedAt,
  }
}

/** Finalizers run between turns and let go of more: until nothing more goes. */
async function collected(): Promise<void> {
  let least = Number.POSITIVE_INFINITY
  for (let unchanged = 0; unchanged < 10; unchanged++) {
    collect?.()
    await sleep(20)
    const { heapUsed } = process.memoryUsage()
    if (heapUsed < least * 0.999) unchanged = 0
    least = Math.min(least, heapUsed)
  }
}
