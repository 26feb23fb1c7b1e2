import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'vitest'
import type { PrepareOrder, WorkerPort } from '../../../engine/generation/workers.ts'
import { type Link, LinkError, type Methods, openLink } from '../../../engine/process/link.ts'
import type { Begin, Hello, Part } from '../../../engine/process/messages.ts'
import { linkPath, socketAddress } from '../../../engine/process/paths.ts'
import { acceptWorkers } from '../../../engine/process/workers.ts'
import { temporaryDirectory } from '../../directory.ts'
import { until } from '../../until.ts'
import { manifestOf, manyEntries } from '../generation/arbitraries.ts'
import { isAlive } from './children.ts'

async function createControl(directory?: string) {
  const home = await temporaryDirectory()
  const dataDirectory = join(home.path, directory ?? '')
  await mkdir(dataDirectory, { recursive: true })
  const up: WorkerPort[] = []
  const down: { id: number; isDeath: boolean }[] = []
  const workers = await acceptWorkers({
    dataDirectory,
    welcome: () => ({ sealKey: null, workers: 1, quarantined: [], hasLive: true, sourceRoot: null, certificate: null, followed: [] }),
    onUp: worker => up.push(worker),
    onDown: ({ id, isDeath }) => down.push({ id, isDeath }),
    onResumed: async () => undefined,
    onReport: () => undefined,
    acquire: async () => null,
    release: async () => false,
    onLines: () => undefined,
    work: { up: () => undefined, down: () => undefined, leaving: () => undefined, told: async () => undefined, changed: () => undefined },
    submit: async () => ({ kind: 'accepted' }),
  })
  return {
    dataDirectory,
    workers,
    up,
    down,
    /** A link as a worker opens it. */
    async dial(methods: Methods = {}): Promise<Link> {
      using address = socketAddress(dataDirectory, 'link.sock')
      const socket = connect(address.path)
      await once(socket, 'connect')
      return openLink(socket, methods)
    },
    async [Symbol.asyncDispose]() {
      await workers[Symbol.asyncDispose]()
      await home[Symbol.asyncDispose]()
    },
  }
}

const hello = (more: Partial<Hello> = {}): Hello => ({ id: 1, pid: process.pid, life: 'life', held: [], live: 0, orders: [], ...more })

for (const [what, directory] of [
  ['', 'data'],
  [' however deep it lies', Array.from({ length: 8 }, () => 'directory-of-some-length').join('/')],
] as const)
  test(`acceptWorkers() meets workers over a socket of the data directory${what}, for its user only`, async () => {
    await using control = await createControl(directory)
    const link = await control.dial()
    assert.deepEqual(await link.call('hello', hello()), {
      sealKey: null,
      workers: 1,
      quarantined: [],
      hasLive: true,
      sourceRoot: null,
      certificate: null,
      followed: [],
    })
    await until(() => control.up.length === 1, 'A greeting')
    assert.equal((await stat(linkPath(control.dataDirectory))).mode & 0o777, 0o600)
    link.close()
    await until(() => control.down.length === 1, 'An end')
    assert.deepEqual(control.workers.list(), [])
  })

for (const [what, says, isDeath] of [
  ['that says it is leaving ends in good order', true, false],
  ['whose link just closes is dead', false, true],
] as const)
  test(`a worker ${what}`, async () => {
    await using control = await createControl()
    const link = await control.dial()
    await link.call('hello', hello())
    if (says) link.notify('leaving', null)
    // What was said before arrives before.
    await link.call('acquire', { name: 'any', ttlMs: 1 })
    link.close()
    await until(() => control.down.length === 1, 'An end')
    assert.deepEqual(control.down, [{ id: 1, isDeath }])
  })

const whole = manifestOf(manyEntries(150))
const { settings } = whole
assert(settings)
const order: PrepareOrder = {
  generation: 2,
  manifest: Promise.resolve('second'),
  base: { generation: 1, manifest: 'first' },
  delta: { revision: null, set: manyEntries(1), unset: [], modules: [], settings, lockfile: null },
  whole,
  revision: null,
  settings,
  lockfile: null,
  libraries: null,
  preflight: 'warn',
}

for (const [what, held, base, sent] of [
  ['the change to a worker that holds the base', [{ generation: 1, manifest: 'first' }], 1, [1]],
  ['the whole, in parts, to one that holds another of that number', [{ generation: 1, manifest: 'another' }], null, [60, 60, 30]],
  ['the whole, in parts, to one that holds nothing', [], null, [60, 60, 30]],
] as const)
  test(`prepare() sends ${what}`, async () => {
    await using control = await createControl()
    const begun: Begin[] = []
    const parts: number[] = []
    const names: string[] = []
    const link = await control.dial({
      begin: (begin: Begin) => void begun.push(begin),
      part: (part: Part) => void parts.push(part.set.length),
      name: ({ manifest }: { manifest: string }) => void names.push(manifest),
      prepare: () => undefined,
    })
    await link.call('hello', hello({ held, live: held.length }))
    await until(() => control.up.length === 1, 'A greeting')
    const [port] = control.up
    assert(port)
    await port.prepare(order)
    assert.deepEqual([begun.map(begin => begin.base), parts], [[base], sent])
    assert.deepEqual(names, ['second'])
    assert(port.holds({ generation: 2, manifest: 'second' }))
    link.close()
  })

test('prepare() has a worker let go of what it built where its manifest cannot be written', async () => {
  await using control = await createControl()
  const steps: string[] = []
  const link = await control.dial({
    begin: () => void steps.push('begin'),
    part: () => void steps.push('part'),
    prepare: () => void steps.push('prepare'),
    abort: () => void steps.push('abort'),
  })
  await link.call('hello', hello({ held: [{ generation: 1, manifest: 'first' }], live: 1 }))
  await until(() => control.up.length === 1, 'A greeting')
  const [port] = control.up
  assert(port)
  await assert.rejects(port.prepare({ ...order, manifest: Promise.reject(new Error('the disk is full')) }), /the disk is full/)
  assert.deepEqual([steps, port.holds({ generation: 2, manifest: 'second' })], [['begin', 'part', 'prepare', 'abort'], false])
  link.close()
})

test('dismiss() kills a worker that is linked, and nobody once its link has closed', async () => {
  await using control = await createControl()
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const ended = once(child, 'exit')
  const { pid } = child
  assert(pid)
  const first = await control.dial()
  await first.call('hello', hello({ pid }))
  await until(() => control.up.length === 1, 'A greeting')
  first.close()
  await until(() => control.down.length === 1, 'An end')
  control.up[0]?.dismiss('it is late')
  assert(isAlive(pid))
  await assert.rejects(control.up[0]?.activate(1, { keepPrevious: false, drainMs: 0 }) ?? Promise.resolve(), LinkError)

  const second = await control.dial()
  await second.call('hello', hello({ pid }))
  await until(() => control.up.length === 2, 'A greeting')
  control.up[1]?.dismiss('it is late')
  await ended
  control.up[1]?.dismiss('it is dead')
})
