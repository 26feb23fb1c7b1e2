import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterAll, test } from 'vitest'
import { createSealKey, createUnsealer, readSealKey, SealKey } from '../../schema/seal.ts'

const directory = mkdtempSync(join(tmpdir(), 'plumb-seal-'))
afterAll(() => rmSync(directory, { recursive: true }))

const key = new SealKey(new Uint8Array(32).fill(7))

test('unseal() gives back what seal() took, for any text and context', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (plain, context) => {
      assert.equal(key.unseal(key.seal(plain, context), context).reveal(), plain)
    }),
  )
})

test('seal() of the same value differs each time and does not hold it', () => {
  const [one, other] = [key.seal('hunter2', 'a'), key.seal('hunter2', 'a')]
  assert.notEqual(one, other)
  assert(!Buffer.from(one, 'base64').includes('hunter2'))
})

test('unseal() refuses another context, another key, and any byte that was changed', () => {
  const sealed = key.seal('hunter2', 'a')
  const bytes = Buffer.from(sealed, 'base64')
  assert.throws(() => key.unseal(sealed, 'b'), /another key or was changed/)
  assert.throws(() => new SealKey(new Uint8Array(32).fill(8)).unseal(sealed, 'a'), /another key or was changed/)
  for (let index = 0; index < bytes.length; index++) {
    const changed = Buffer.from(bytes)
    changed[index] = (changed[index] ?? 0) ^ 1
    assert.throws(() => key.unseal(changed.toString('base64'), 'a'), /Cannot unseal/)
  }
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => key.unseal(bytes.subarray(0, length).toString('base64'), 'a'), /Cannot unseal/)
})

test('createUnsealer() opens what the key sealed that it was handed from, and does not print', () => {
  const unsealer = createUnsealer(key.sealingKey)
  assert.equal(unsealer.unseal(key.seal('hunter2', 'a'), 'a').reveal(), 'hunter2')
  assert.throws(() => unsealer.unseal(key.seal('hunter2', 'a'), 'b'), /another key or was changed/)
  assert(!inspect(unsealer, { depth: 9, showHidden: true }).includes(key.sealingKey))
})

test('the derived keys differ, are equal for equal bytes, and do not print', () => {
  const again = new SealKey(new Uint8Array(32).fill(7))
  assert.deepEqual([again.digestKey, again.signingKey], [key.digestKey, key.signingKey])
  assert.notDeepEqual(key.digestKey, key.signingKey)
  assert.deepEqual([inspect(key), JSON.stringify(key)], ['SealKey {}', '{}'])
  assert.throws(() => new SealKey(new Uint8Array(16)), RangeError)
})

test('createSealKey() makes a private file in private directories, which readSealKey() reads', () => {
  const path = join(directory, 'new', 'deep', 'seal.key')
  const created = createSealKey(path)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(statSync(join(directory, 'new', 'deep')).mode & 0o777, 0o700)
  assert.equal(readSealKey(path)?.unseal(created.seal('x', 'c'), 'c').reveal(), 'x')
  assert.deepEqual(readdirSync(join(directory, 'new', 'deep')), ['seal.key'])
})

test('createSealKey() never replaces a file', () => {
  const path = join(directory, 'kept.key')
  createSealKey(path)
  const before = readFileSync(path, 'utf8')
  assert.throws(() => createSealKey(path), /never replaced/)
  assert.equal(readFileSync(path, 'utf8'), before)
  assert.deepEqual(
    readdirSync(directory).filter(name => name.startsWith('kept')),
    ['kept.key'],
  )
})

test('readSealKey() gives undefined where there is no file, and refuses one that others may read or that is no key', () => {
  assert.equal(readSealKey(join(directory, 'absent.key')), undefined)
  const path = join(directory, 'open.key')
  createSealKey(path)
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(path, mode)
    assert.throws(() => readSealKey(path), /chmod 600/)
  }
  const broken = join(directory, 'broken.key')
  for (const text of ['', 'short', 'A'.repeat(43), `${'!'.repeat(44)}`]) {
    writeFileSync(broken, text, { mode: 0o600 })
    assert.throws(() => readSealKey(broken), /is not 32 bytes/)
  }
  assert.throws(() => readSealKey(directory), /is not a file/)
})
