// What control hosts of each generation: the resources whose adapters run in this process, built, swapped and drained beside the
// workers by the same means. It takes part in a swap like a worker, and is given no other resources.

import type { Log } from '../../adapters/port.ts'
import type { AdapterTable } from '../../adapters/table.ts'
import { partsOf, type Ref } from '../../schema/ref.ts'
import type { Intake } from '../generation/activate.ts'
import type { Entry } from '../generation/manifest.ts'
import { createSlices } from '../generation/slice.ts'
import type { PrepareOrder, WorkerPort } from '../generation/workers.ts'
import { Held, type HeldOptions } from './held.ts'

export interface LocalOptions extends Omit<HeldOptions, 'onLive'> {
  /** The adapters that control hosts, and no others. */
  readonly table: AdapterTable
  readonly intake: Intake
  readonly log: Log
}

export interface Local extends AsyncDisposable {
  readonly port: WorkerPort
  /** Resources that do not work as declared. */
  degraded(): readonly { readonly ref: Ref; readonly reason: string; readonly since: string }[]
  /** Ends all intake and gives up its leases; what is in flight goes on. */
  quiesce(): Promise<void>
}

export function createLocal(options: LocalOptions): Local {
  const { table, intake, log } = options
  const held = new Held({ ...options, onLive: () => undefined })
  const built = new Map<number, string>()
  let live = 0
  /** Why what is live is not built here. */
  let failure: { readonly reason: string; readonly since: string } | null = null

  const port: WorkerPort = {
    id: 0,
    pid: process.pid,
    get live() {
      return live
    },
    // Nothing that control hosts is a unit of work: nothing has to be waited for.
    isPaused: false,
    isDebugged: false,
    draining: [],
    holds: ({ generation, manifest }) => built.get(generation) === manifest,
    async prepare(order) {
      const { generation, base, delta, whole, manifest, ...begin } = order
      const isBased = base !== null && built.get(base.generation) === base.manifest
      await held.begin({ ...begin, generation, base: isBased ? base.generation : null })
      try {
        const set = isBased ? delta.set.filter(isHosted) : await hostedOf(whole)
        const unset = isBased ? delta.unset.filter(ref => table.has(partsOf(ref).kind)) : []
        held.part({ generation, set, unset, modules: [] })
        await held.prepare(generation)
        built.set(generation, await manifest)
      } catch (error) {
        await held.abort(generation)
        throw error
      }
    },
    async keepOnly(generations) {
      for (const generation of [...built.keys()]) if (generation !== live && !generations.includes(generation)) await port.abort(generation)
    },
    async abort(generation) {
      built.delete(generation)
      await held.abort(generation)
    },
    async activate(generation, { keepPrevious, drainMs }) {
      held.activate({ generation, keepPrevious, drainMs })
      if (!keepPrevious && live !== generation) built.delete(live)
      live = generation
      failure = null
    },
    async drain(generation, deadlineMs) {
      built.delete(generation)
      held.drain(generation, deadlineMs)
    },
    // This process serves more than what it hosts, so it stays: the next apply builds what is live anew.
    dismiss(reason) {
      failure = { reason: `the control process ${reason}`, since: new Date().toISOString() }
      log.error({ reason }, 'Cannot host what is live in the control process; the next apply tries it again')
    },
  }

  return {
    port,
    degraded: () => {
      const found = held.slots.live?.degraded() ?? []
      const [first] = held.slots.live?.manifest.entries.keys() ?? []
      return failure && first ? [...found, { ref: first, ...failure }] : found
    },
    quiesce: () => intake.stop(),
    async [Symbol.asyncDispose]() {
      await intake.stop()
      await held.close()
    },
  }

  function isHosted({ resource }: Entry): boolean {
    return table.has(resource.kind)
  }

  /** In slices: most of an estate is hosted elsewhere. */
  async function hostedOf({ entries }: PrepareOrder['whole']): Promise<Entry[]> {
    const slices = createSlices()
    const found: Entry[] = []
    for (const entry of entries.values()) {
      if (isHosted(entry)) found.push(entry)
      if (slices.isSpent()) await slices.rest()
    }
    return found
  }
}
