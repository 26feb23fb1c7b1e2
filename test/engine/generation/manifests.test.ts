import assert from 'node:assert'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'vitest'
import { applied, deltaBetween } from '../../../engine/generation/applied.ts'
import { type Delta, emptyManifest, type Manifest } from '../../../engine/generation/manifest.ts'
import { collectManifests, ManifestError, readManifest, writeManifest } from '../../../engine/generation/manifests.ts'
import { revision } from '../../../schema/ref.ts'
import { temporaryDirectory } from '../../directory.ts'
import { deltas, entryOf, manifestOf, manyEntries, moduleOf, plain, settings } from './arbitraries.ts'

test('applied() shares the entries and modules that a delta does not touch', () => {
  const code = moduleOf('services/a.ts', 'exports.a = 1')
  const before = manifestOf([entryOf('a', { modules: { 'services/a.ts': code.digest } }), entryOf('b', {})], [code])
  const after = applied(before, deltaTo([entryOf('b', { method: 'GET' })]))
  assert.strictEqual(after.modules, before.modules)
  const [first] = before.entries.keys()
  assert(first)
  assert.strictEqual(after.entries.get(first), before.entries.get(first))
})

test('applied() drops a module that no entry names any more, and one that none ever named', () => {
  const [first, second] = [moduleOf('services/a.ts', '1'), moduleOf('services/a.ts', '2')]
  const before = manifestOf([entryOf('a', { modules: { 'services/a.ts': first.digest } })], [first, second])
  assert.deepEqual([...before.modules.keys()], [first.digest])
  const after = applied(before, { ...deltaTo([entryOf('a', { modules: { 'services/a.ts': second.digest } })]), modules: [second] })
  assert.deepEqual([...after.modules.keys()], [second.digest])
})

test('deltaBetween() leads from any manifest to any other', () => {
  fc.assert(
    fc.property(deltas, deltas, (one, other) => {
      const [from, to] = [sequence(one), sequence([...other, deltaTo([])])]
      assert.deepStrictEqual(plain(applied(from, deltaBetween(from, to))), plain(to))
      assert.deepEqual({ ...deltaBetween(to, to), settings: null }, { ...deltaTo([]), settings: null, revision: to.revision })
    }),
  )
})

test('readManifest() gives what writeManifest() was given, through any chain of deltas', async () => {
  await using directory = await temporaryDirectory()
  await fc.assert(
    fc.asyncProperty(deltas, async steps => {
      let manifest: Manifest = emptyManifest
      let name = await writeManifest(directory.path, manifest)
      for (const delta of steps) {
        manifest = applied(manifest, delta)
        name = await writeManifest(directory.path, manifest, { base: { name }, delta })
      }
      assert.deepStrictEqual(plain(await readManifest(directory.path, name)), plain(manifest))
    }),
    { numRuns: 25 },
  )
})

test('writeManifest() writes a full file at the end of a chain of 32, and where the deltas outweigh half of it', async () => {
  await using directory = await temporaryDirectory()
  let manifest = manifestOf(manyEntries(200))
  let name = await writeManifest(directory.path, manifest)
  const bases: boolean[] = []
  for (let at = 0; at < 34; at++) {
    const delta = deltaTo([entryOf('b', { at })])
    manifest = applied(manifest, delta)
    name = await writeManifest(directory.path, manifest, { base: { name }, delta })
    bases.push((await headerOf(directory.path, name)).base !== null)
  }
  assert.deepEqual(bases, [...Array(32).fill(true), false, true])
  assert.deepStrictEqual(plain(await readManifest(directory.path, name)), plain(manifest))

  const heavy = deltaTo(manyEntries(200, '; charset=utf-8'))
  const on = await writeManifest(directory.path, applied(manifest, heavy), { base: { name }, delta: heavy })
  const next = deltaTo([entryOf('c', {})])
  const after = await writeManifest(directory.path, applied(applied(manifest, heavy), next), { base: { name: on }, delta: next })
  assert.equal((await headerOf(directory.path, after)).base, null)
})

test('writeManifest() writes a full file where the base is gone', async () => {
  await using directory = await temporaryDirectory()
  const delta = deltaTo([entryOf('a', {})])
  const manifest = applied(emptyManifest, delta)
  const name = await writeManifest(directory.path, manifest, { base: { name: `${'0'.repeat(64)}.manifest` }, delta })
  assert.deepStrictEqual(plain(await readManifest(directory.path, name)), plain(manifest))
})

test('readManifest() refuses a file of which any byte was changed, cut off or added', async () => {
  await using directory = await temporaryDirectory()
  const base = manifestOf([entryOf('a', { value: 'größe' })])
  const delta = deltaTo([entryOf('b', {}, 'secret')])
  const below = await writeManifest(directory.path, base)
  const name = await writeManifest(directory.path, applied(base, delta), { base: { name: below }, delta })
  for (const file of [below, name]) {
    const path = join(directory.path, 'manifests', file)
    const whole = await readFile(path)
    await fc.assert(
      fc.asyncProperty(damage(whole), async bytes => {
        await writeFile(path, bytes)
        await assert.rejects(readManifest(directory.path, name), ManifestError)
      }),
      { numRuns: 100 },
    )
    await writeFile(path, whole)
  }
})

for (const [what, name] of [
  ['a name that leaves the directory', '../current'],
  ['a file that is not there', `${'0'.repeat(64)}.manifest`],
] as const)
  test(`readManifest() refuses ${what}`, async () => {
    await using directory = await temporaryDirectory()
    await assert.rejects(readManifest(directory.path, name), ManifestError)
  })

test('collectManifests() keeps what is named and what it builds on, and removes the rest', async () => {
  await using directory = await temporaryDirectory()
  assert.equal(await collectManifests(directory.path, []), 0)
  const delta = deltaTo([entryOf('b', {})])
  const below = await writeManifest(directory.path, manifestOf([entryOf('a', {})]))
  const kept = await writeManifest(directory.path, applied(manifestOf([entryOf('a', {})]), delta), { base: { name: below }, delta })
  await writeManifest(directory.path, manifestOf([entryOf('c', {})]))
  await writeFile(join(directory.path, 'manifests', 'writing.tmp'), 'half')
  await writeFile(join(directory.path, 'manifests', 'notes.txt'), 'of somebody else')
  assert.equal(await collectManifests(directory.path, [kept]), 2)
  assert.deepEqual((await readdir(join(directory.path, 'manifests'))).sort(), [below, kept, 'notes.txt'].sort())
})

function sequence(steps: readonly Delta[]): Manifest {
  return steps.reduce(applied, emptyManifest)
}

function deltaTo(set: Delta['set']): Delta {
  return { revision: revision('b'.repeat(40)), set, unset: [], modules: [], settings, lockfile: null }
}

async function headerOf(dataDir: string, name: string): Promise<{ base: string | null }> {
  const [header = ''] = (await readFile(join(dataDir, 'manifests', name), 'utf8')).split('\n', 1)
  return JSON.parse(header)
}

function damage(whole: Buffer): fc.Arbitrary<Buffer> {
  return fc.oneof(
    fc.tuple(fc.nat(whole.length - 1), fc.nat(7)).map(([at, bit]) => {
      const bytes = Buffer.from(whole)
      bytes[at] = bytes.readUInt8(at) ^ (1 << bit)
      return bytes
    }),
    fc.nat(whole.length - 1).map(length => whole.subarray(0, length)),
    fc.uint8Array({ minLength: 1, maxLength: 20 }).map(more => Buffer.concat([whole, more])),
  )
}
