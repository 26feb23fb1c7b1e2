import assert from 'node:assert/strict'
import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type Certificates, openCertificates } from '../../../engine/tls/certificates.ts'
import { SealKey } from '../../../schema/seal.ts'
import type { TlsConfig } from '../../../schema/server.ts'
import { type Authority, createAuthority, hasOpenssl, install, type Pair } from '../../certificates.ts'
import { temporaryDirectory } from '../../directory.ts'
import { type FakeClock, fakeClock } from '../../fake-clock.ts'

const sealKey = new SealKey(new Uint8Array(32).fill(7))
const dayMs = 86_400_000

describe.skipIf(!hasOpenssl)('openCertificates()', () => {
  const held: { authority?: Authority; pairs?: Readonly<Record<string, Pair>> } = {}
  beforeAll(async () => {
    const authority = await createAuthority()
    const issued = (['one', 'two', 'old', 'short'] as const).map(async name => {
      const days = name === 'old' ? -1 : name === 'short' ? 10 : 90
      return [name, await authority.issue(name, { days })] as const
    })
    held.authority = authority
    held.pairs = Object.fromEntries(await Promise.all(issued))
  })
  afterAll(() => held.authority?.[Symbol.asyncDispose]())
  const pair = (name: string): Pair => {
    assert(held.pairs?.[name])
    return held.pairs[name]
  }

  test('serves nothing, and has no condition, where nothing is secured', async () => {
    await using rig = await createRig({ configs: { channels: null, admin: null } })
    assert.equal(rig.certificates.served('channels'), null)
    assert.deepEqual(rig.certificates.conditions(), [])
  })

  test('hands a renewed pair to all who follow, with new ticket keys, and tells it once', async () => {
    await using rig = await createRig({ from: pair('one') })
    const before = rig.certificates.served('channels')
    const taken: string[] = []
    rig.certificates.follow('channels', served => taken.push(served.cert))
    rig.certificates.follow('admin', served => taken.push(served.cert))
    await install(pair('two'), rig.files)
    await rig.look(3)
    const [one, two] = [await readFile(pair('one').cert, 'utf8'), await readFile(pair('two').cert, 'utf8')]
    assert.deepEqual(taken, [one, one, two, two])
    assert.notEqual(rig.certificates.served('admin')?.ticketKeys, before?.ticketKeys)
    assert.deepEqual(rig.told, ['certificate.renewed'])
    assert.deepEqual(rig.wrong(), [])
  })

  test('waits for the other half of a renewal, and tells nothing of it', async () => {
    await using rig = await createRig({ from: pair('one') })
    await copyFile(pair('two').cert, rig.files.cert)
    await rig.look(3)
    assert.equal(rig.certificates.served('channels')?.cert, await readFile(pair('one').cert, 'utf8'))
    assert.deepEqual([rig.told, rig.wrong()], [[], []])
    await copyFile(pair('two').key, rig.files.key)
    await rig.look(1)
    assert.equal(rig.certificates.served('channels')?.cert, await readFile(pair('two').cert, 'utf8'))
    assert.deepEqual([rig.told, rig.wrong()], [['certificate.renewed'], []])
  })

  test('follows a link that is moved to another directory, as Kubernetes does', async () => {
    const home = await temporaryDirectory()
    await using rig = await createRig({ from: pair('one'), home: home.path, isLinked: true })
    await mkdir(join(home.path, 'second'))
    await install(pair('two'), { cert: join(home.path, 'second', 'tls.crt'), key: join(home.path, 'second', 'tls.key') })
    await symlink('second', join(home.path, 'next'))
    await rename(join(home.path, 'next'), join(home.path, 'data'))
    await rig.look(1)
    assert.equal(rig.certificates.served('channels')?.cert, await readFile(pair('two').cert, 'utf8'))
    await home[Symbol.asyncDispose]()
  })

  for (const [what, reason, spoil] of [
    ['does not match its key', 'KeyMismatch', (files: Pair) => copyFile(pair('two').cert, files.cert)],
    ['has expired', 'Expired', (files: Pair) => install(pair('old'), files)],
    ['is gone', 'Unreadable', (files: Pair) => rm(files.cert)],
    ['is garbage', 'Malformed', (files: Pair) => writeFile(files.cert, 'garbage')],
    ['is empty', 'Malformed', (files: Pair) => writeFile(files.key, '')],
  ] as const)
    test(`serves on with the old pair where a new one ${what}: ${reason}, told once, until it is mended`, async () => {
      await using rig = await createRig({ from: pair('one') })
      const { cert } = rig.certificates.served('channels') ?? {}
      await spoil(rig.files)
      await rig.look(20)
      assert.equal(rig.certificates.served('channels')?.cert, cert)
      assert.deepEqual(rig.wrong(), [`CertificateInvalid ${reason}`])
      assert.deepEqual(rig.told, ['certificate.invalid'])
      await install(pair('two'), rig.files)
      await rig.look(1)
      assert.equal(rig.certificates.served('channels')?.cert, await readFile(pair('two').cert, 'utf8'))
      assert.deepEqual(rig.wrong(), [])
      assert.deepEqual(rig.told, ['certificate.invalid', 'certificate.renewed', 'certificate.valid'])
    })

  test('takes back what was mended with the old pair, without a renewal', async () => {
    await using rig = await createRig({ from: pair('one') })
    await writeFile(rig.files.cert, 'garbage')
    await rig.look(10)
    await install(pair('one'), rig.files)
    await rig.look(1)
    assert.deepEqual([rig.told, rig.wrong()], [['certificate.invalid', 'certificate.valid'], []])
  })

  test('warns 14 days ahead, says when it is over, and serves on', async () => {
    await using rig = await createRig({ from: pair('one') })
    await rig.clock.advance(75 * dayMs)
    await rig.look(1)
    assert.deepEqual(rig.wrong(), [])
    await rig.clock.advance(2 * dayMs)
    await rig.look(1)
    assert.deepEqual(rig.wrong(), ['CertificateExpiring ExpiresSoon'])
    await rig.clock.advance(20 * dayMs)
    await rig.look(1)
    assert.deepEqual(rig.wrong(), ['CertificateInvalid Expired'])
    assert.notEqual(rig.certificates.served('channels'), null)
    assert.deepEqual(rig.told, ['certificate.expiring', 'certificate.invalid'])
  })

  test('does not warn of a short-lived one before two thirds of its life are over', async () => {
    await using rig = await createRig({ from: pair('short') })
    await rig.look(1)
    assert.deepEqual(rig.wrong(), [])
    await rig.clock.advance(7 * dayMs)
    await rig.look(1)
    assert.deepEqual(rig.wrong(), ['CertificateExpiring ExpiresSoon'])
  })

  test('starts anew with the last good pair while the files are bad, sealed in the data directory', async () => {
    const home = await temporaryDirectory()
    {
      await using rig = await createRig({ from: pair('one'), home: home.path })
      await rig.look(1)
      await writeFile(rig.files.cert, 'garbage')
    }
    const kept = await readFile(join(home.path, 'tls-channels.sealed'), 'utf8')
    assert.doesNotMatch(kept, /BEGIN/)
    {
      await using rig = await createRig({ home: home.path })
      assert.equal(rig.certificates.served('channels')?.cert, await readFile(pair('one').cert, 'utf8'))
      assert.deepEqual(rig.wrong(), ['CertificateInvalid Malformed'])
      await rig.look(10)
      assert.deepEqual(rig.told, ['certificate.invalid'])
    }
    await assert.rejects(createRig({ home: home.path, sealKey: null }), {
      name: 'CertificateError',
      message: /^Cannot serve by TLS as .*tls\.crt holds no certificate in PEM$/,
    })
    await home[Symbol.asyncDispose]()
  })
})

interface Rig extends AsyncDisposable {
  readonly certificates: Certificates
  readonly clock: FakeClock
  readonly files: Pair
  readonly told: readonly string[]
  /** Looks at the files so often, a second apart. */
  look(times: number): Promise<void>
  /** Conditions that hold, each with its reason. */
  wrong(): readonly string[]
}

interface Wish {
  readonly from?: Pair
  readonly configs?: { readonly channels: TlsConfig | null; readonly admin: TlsConfig | null }
  readonly home?: string
  readonly sealKey?: SealKey | null
  readonly isLinked?: boolean
}

async function createRig(wish: Wish): Promise<Rig> {
  const own = wish.home === undefined ? await temporaryDirectory() : null
  const home = wish.home ?? own?.path ?? ''
  if (wish.isLinked) {
    await mkdir(join(home, 'first'))
    await symlink('first', join(home, 'data'))
  }
  const folder = wish.isLinked ? join(home, 'data') : home
  const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
  if (wish.from) await install(wish.from, files)
  const config: TlsConfig = { ...files, clientCa: null, clientAuth: 'off', minVersion: 'TLSv1.2' }
  const clock = fakeClock(Date.now())
  const ending = new AbortController()
  const told: string[] = []
  const looked = { asleep: 0 }
  const certificates = await openCertificates({
    configs: wish.configs ?? { channels: config, admin: { ...config } },
    dataDirectory: home,
    sealKey: wish.sealKey === undefined ? sealKey : wish.sealKey,
    clock: {
      now: clock.now,
      sleep(ms, signal) {
        looked.asleep += 1
        return clock.sleep(ms, signal)
      },
    },
    announce: type => told.push(type),
    signal: ending.signal,
  })
  return {
    certificates,
    clock,
    files,
    told,
    async look(times) {
      for (let at = 0; at < times; at += 1) {
        const before = looked.asleep
        await clock.advance(1_000)
        while (looked.asleep === before) await new Promise(setImmediate)
      }
    },
    wrong: () =>
      certificates
        .conditions()
        .filter(({ status }) => status)
        .map(({ type, reason }) => `${type} ${reason}`),
    async [Symbol.asyncDispose]() {
      ending.abort()
      await new Promise(setImmediate)
      await own?.[Symbol.asyncDispose]()
    },
  }
}
