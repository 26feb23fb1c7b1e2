// A worker of its own process for the exclusive consumer: builds and activates the generations it is told to, over the leases
// its parent grants. Messages: `{ edition }` from the parent; lease calls to it.

import { createIntake } from '../../engine/generation/activate.ts'
import type { BuiltGeneration } from '../../engine/generation/built.ts'
import { drainGeneration } from '../../engine/generation/drain.ts'
import { Instances } from '../../engine/generation/instances.ts'
import { createLeases, type LeasePort } from '../../engine/generation/leases.ts'
import { buildIn, entryOf, manifestOf, quietSurroundings, rowOf, tableOf } from '../engine/generation/fixtures.ts'
import { exclusiveConsumer } from './exclusive-consumer.ts'

export interface LeaseCall {
  readonly id: number
  readonly call: { readonly acquire: string; readonly ttlMs: number } | { readonly release: string; readonly term: number }
}
export type ToWorker =
  | { readonly activate: number }
  | { readonly answer: number; readonly lease: { readonly term: number } | null }
  | { readonly answer: number; readonly failure: string }

const [, , holder = '', brokerPort = ''] = process.argv
const waiting = new Map<number, PromiseWithResolvers<{ term: number } | null>>()
const instances = new Instances()
const table = tableOf(rowOf('consumer', exclusiveConsumer(holder)))
const intake = createIntake(createLeases({ port: leasePort(), clock: quietSurroundings.clock, log: quietSurroundings.log }))
let live: BuiltGeneration | null = null

process.on('message', async (message: ToWorker) => {
  if ('activate' in message) await activate(message.activate)
  else if ('failure' in message) waiting.get(message.answer)?.reject(new Error(message.failure))
  else waiting.get(message.answer)?.resolve(message.lease)
})
process.on('disconnect', () => process.exit())

async function activate(edition: number): Promise<void> {
  const previous = live
  live = await buildIn({ table, instances }, manifestOf(entryOf('consumer/orders', { port: Number(brokerPort), edition })), {
    base: previous,
  })
  await intake.activate(live)
  if (previous) await drainGeneration(previous, { instances, clock: quietSurroundings.clock, deadlineMs: 1_000 })
}

function leasePort(): LeasePort {
  let last = 0
  const ask = (call: LeaseCall['call']) => {
    const id = ++last
    const answer = Promise.withResolvers<{ term: number } | null>()
    waiting.set(id, answer)
    process.send?.({ id, call } satisfies LeaseCall)
    return answer.promise.finally(() => waiting.delete(id))
  }
  return { acquire: (name, ttlMs) => ask({ acquire: name, ttlMs }), release: (name, term) => ask({ release: name, term }) }
}
