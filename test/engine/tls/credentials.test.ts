import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { readCredentials } from '../../../engine/tls/credentials.ts'
import type { TlsConfig } from '../../../schema/server.ts'
import { type Authority, createAuthority, hasOpenssl, type Pair } from '../../certificates.ts'

describe.skipIf(!hasOpenssl)('readCredentials()', () => {
  const held: { authority?: Authority; one?: Pair; two?: Pair; old?: Pair } = {}
  beforeAll(async () => {
    held.authority = await createAuthority()
    held.one = await held.authority.issue('one')
    held.two = await held.authority.issue('two')
    held.old = await held.authority.issue('old', { days: -1 })
  })
  afterAll(() => held.authority?.[Symbol.asyncDispose]())

  const parts = () => {
    assert(held.authority && held.one && held.two && held.old)
    return { authority: held.authority, one: held.one, two: held.two, old: held.old }
  }
  const configOf = (pair: Pair, clientCa: string | null = null): TlsConfig => ({
    ...pair,
    clientCa,
    clientAuth: clientCa === null ? 'off' : 'require',
    minVersion: 'TLSv1.2',
  })

  test('takes a certificate with its key and an authority', async () => {
    const { authority, one } = parts()
    const judgement = await readCredentials(configOf(one, authority.ca), Date.now())
    assert(judgement.kind === 'good')
    assert.deepEqual(judgement.credentials, {
      cert: await readFile(one.cert, 'utf8'),
      key: await readFile(one.key, 'utf8'),
      clientCa: await readFile(authority.ca, 'utf8'),
    })
  })

  test('takes a chain whose first certificate is that of the key, and no chain whose first is another', async () => {
    const { authority, one } = parts()
    const [leaf, ca] = [await readFile(one.cert, 'utf8'), await readFile(authority.ca, 'utf8')]
    const [right, wrong] = [join(authority.directory, 'right.pem'), join(authority.directory, 'wrong.pem')]
    await writeFile(right, `Subject: whatever\n${leaf}\n${ca}`)
    await writeFile(wrong, ca + leaf)
    assert.equal((await readCredentials(configOf({ ...one, cert: right }), Date.now())).kind, 'good')
    assert.equal(faultOf(await readCredentials(configOf({ ...one, cert: wrong }), Date.now())), 'KeyMismatch')
  })

  for (const [what, fault, make] of [
    ['the key of another certificate', 'KeyMismatch', async () => configOf({ cert: parts().one.cert, key: parts().two.key })],
    ['a certificate that has expired', 'Expired', async () => configOf(parts().old)],
    ['no file', 'Unreadable', async () => configOf({ cert: join(parts().authority.directory, 'nowhere'), key: parts().one.key })],
    ['a directory', 'Unreadable', async () => configOf({ cert: parts().authority.directory, key: parts().one.key })],
    ['a pipe that nobody writes to', 'Unreadable', async () => configOf({ cert: pipeAt('pipe'), key: parts().one.key })],
    ['a file without a certificate', 'Malformed', async () => configOf({ cert: parts().one.key, key: parts().one.key })],
    ['a file without a key', 'Malformed', async () => configOf({ cert: parts().one.cert, key: await opened(parts().one.cert, 0o600) })],
    ['half a certificate', 'Malformed', async () => configOf({ cert: await halved(parts().one.cert), key: parts().one.key })],
    ['a certificate of nonsense', 'Malformed', async () => configOf({ cert: await nonsense(), key: parts().one.key })],
    ['an encrypted key', 'Malformed', async () => configOf({ cert: parts().one.cert, key: encrypted(parts().one.key) })],
    ['a key that all may read', 'Exposed', async () => configOf({ cert: parts().one.cert, key: await opened(parts().one.key, 0o644) })],
    ['an authority without a certificate', 'Malformed', async () => configOf(parts().one, parts().one.key)],
    ['an authority that has expired', 'Expired', async () => configOf(parts().one, parts().old.cert)],
  ] as const)
    test(`refuses ${what} as ${fault}, names the file and shows nothing of it`, async () => {
      const judgement = await readCredentials(await make(), Date.now())
      assert.equal(faultOf(judgement), fault)
      assert(judgement.kind === 'bad')
      assert.match(judgement.why, new RegExp(parts().authority.directory))
      assert.doesNotMatch(judgement.why, /BEGIN|MI[GI]/)
    })

  test('refuses a certificate before its time, and takes it then', async () => {
    assert.equal(faultOf(await readCredentials(configOf(parts().one), Date.now() - 86_400_000)), 'NotYetValid')
  })

  test('takes a key that its group may read', async () => {
    const { one } = parts()
    assert.equal((await readCredentials(configOf({ ...one, key: await opened(one.key, 0o640) }), Date.now())).kind, 'good')
  })

  async function opened(key: string, mode: number): Promise<string> {
    const path = `${key}.${mode.toString(8)}`
    await copyFile(key, path)
    await chmod(path, mode)
    return path
  }

  async function halved(path: string): Promise<string> {
    const text = await readFile(path, 'utf8')
    await writeFile(`${path}.half`, text.slice(0, text.length / 2))
    return `${path}.half`
  }

  async function nonsense(): Promise<string> {
    const path = join(parts().authority.directory, 'nonsense.pem')
    await mkdir(parts().authority.directory, { recursive: true })
    await writeFile(path, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    return path
  }

  function encrypted(key: string): string {
    execFileSync('openssl', ['pkcs8', '-topk8', '-in', key, '-out', `${key}.enc`, '-passout', 'pass:hunter2'])
    return `${key}.enc`
  }

  function pipeAt(name: string): string {
    const path = join(parts().authority.directory, name)
    execFileSync('mkfifo', [path])
    return path
  }
})

function faultOf(judgement: Awaited<ReturnType<typeof readCredentials>>): string {
  return judgement.kind === 'bad' ? judgement.fault : 'none'
}
