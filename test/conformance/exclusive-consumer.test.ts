import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { test } from 'vitest'
import { createLeaseGrants } from '../../engine/generation/lease-grants.ts'
import { openSqliteStore } from '../../engine/store/sqlite.ts'
import { temporaryDirectory } from '../directory.ts'
import { until } from '../until.ts'
import { openBroker } from './exclusive-consumer.ts'
import type { LeaseCall, ToWorker } from './exclusive-worker.ts'

interface Server extends AsyncDisposable {
  readonly broker: Awaited<ReturnType<typeof openBroker>>
  worker(name: string): ChildProcess
  /** away: every lease call fails. reckless: whoever asks gets the lease. */
  setControl(control: 'there' | 'away' | 'reckless'): void
}

/** Worker processes over leases in a real store, and the broker their consumers hold a place at. */
async function openServer(): Promise<Server> {
  const directory = await temporaryDirectory()
  const store = await openSqliteStore(join(directory.path, 'store.sqlite'))
  const broker = await openBroker()
  const workers = new Map<string, ChildProcess>()
  let control: Parameters<Server['setControl']>[0] = 'there'
  const isGone = (holder: string) => {
    const worker = workers.get(holder)
    return !worker || worker.exitCode !== null || worker.signalCode !== null
  }
  const grants = createLeaseGrants({ store, isGone, now: Date.now })

  async function answer(holder: string, worker: ChildProcess, { id, call }: LeaseCall): Promise<void> {
    const send = (message: ToWorker) => worker.connected && worker.send(message)
    if (control === 'reckless') return void send({ answer: id, lease: { term: 1 } })
    if (control === 'away') return void send({ answer: id, failure: 'control is away' })
    if ('acquire' in call) return void send({ answer: id, lease: await grants.acquire(call.acquire, holder, call.ttlMs) })
    await grants.release(call.release, holder, call.term)
    send({ answer: id, lease: null })
  }

  return {
    broker,
    worker(name) {
      const worker = fork(join(import.meta.dirname, 'exclusive-worker.ts'), [name, String(broker.port)], { execArgv: ['--no-warnings'] })
      workers.set(name, worker)
      worker.on('message', (call: LeaseCall) => void answer(name, worker, call))
      worker.send({ activate: 1 } satisfies ToWorker)
      return worker
    },
    setControl: to => {
      control = to
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(
        [...workers.values()].map(async worker => {
          if (worker.exitCode !== null || worker.signalCode !== null) return
          const gone = once(worker, 'exit')
          worker.kill('SIGKILL')
          await gone
        }),
      )
      await broker[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}

const holderOf = (server: Server) => server.broker.holders[0]?.split('/')[0] ?? ''

test('an exclusive consumer whose holder is killed is held by another worker within 2 s, and never by two', async () => {
  await using server = await openServer()
  const workers = new Map(['one', 'two', 'three'].map(name => [name, server.worker(name)]))
  for (let round = 0; round < 2; round++) {
    await until(() => server.broker.holders.length === 1, 'somebody holds')
    const holder = holderOf(server)
    const killedAt = performance.now()
    workers.get(holder)?.kill('SIGKILL')
    await until(() => server.broker.holders.length === 1 && holderOf(server) !== holder, 'another holds')
    const elapsedMs = performance.now() - killedAt
    assert(elapsedMs < 2_000, `held again after ${Math.round(elapsedMs)} ms`)
  }
  assert.equal(server.broker.collided, false)
})

test('an exclusive consumer is not taken from a holder that stands still, and goes on while control is away', async () => {
  await using server = await openServer()
  const workers = new Map(['one', 'two'].map(name => [name, server.worker(name)]))
  await until(() => server.broker.holders.length === 1, 'somebody holds')
  const holder = holderOf(server)
  workers.get(holder)?.kill('SIGSTOP')
  // Longer than several tries of the other worker; nothing can be awaited, as nothing may happen.
  await setTimeout(1_500)
  workers.get(holder)?.kill('SIGCONT')
  server.setControl('away')
  await setTimeout(1_500)
  server.setControl('there')
  await setTimeout(700)
  assert.deepEqual(server.broker.events, [`+ ${holder}/1`])
})

test('the broker of these tests notices when two hold together', async () => {
  await using server = await openServer()
  server.setControl('reckless')
  for (const name of ['one', 'two']) server.worker(name)
  await until(() => server.broker.collided, 'two hold')
})

test('an exclusive consumer that changes is handed over: the old one lets go before the new one holds', async () => {
  await using server = await openServer()
  const worker = server.worker('one')
  await until(() => server.broker.holders.length === 1, 'it holds')
  for (const edition of [2, 3]) worker.send({ activate: edition } satisfies ToWorker)
  await until(() => server.broker.holders[0] === 'one/3', 'the newest holds')
  assert.equal(server.broker.collided, false)
  assert.equal(server.broker.events.at(-1), '+ one/3')
})
