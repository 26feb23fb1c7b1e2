import assert from 'node:assert'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { test } from 'vitest'
import { CurrentError, type CurrentState, readCurrent, stageCurrent, writeCurrent } from '../../../engine/generation/current.ts'
import { readManifest, writeManifest } from '../../../engine/generation/manifests.ts'
import { temporaryDirectory } from '../../directory.ts'
import { mountSmallDisk } from '../../small-disk.ts'
import { entryOf, manifestOf, manyEntries, plain } from './arbitraries.ts'

test('readCurrent() finds nothing where nothing was written', async () => {
  await using directory = await temporaryDirectory()
  assert.deepEqual(await readCurrent(directory.path), { state: null, previous: null, recovered: null })
})

test('readCurrent() finds what writeCurrent() wrote, and the state before it', async () => {
  await using directory = await temporaryDirectory()
  for (const serial of [1, 2, 3]) await writeCurrent(directory.path, stateOf(serial))
  assert.deepEqual(await readCurrent(directory.path), { state: stateOf(3), previous: stateOf(2), recovered: null })
  assert.deepEqual((await readdir(directory.path)).sort(), ['current', 'current.previous'])
})

test('readCurrent() gives the state before where any byte of current was changed, cut off or added', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'current')
  for (const serial of [1, 2]) await writeCurrent(directory.path, stateOf(serial))
  const whole = await readFile(path)
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.tuple(fc.nat(whole.length - 1), fc.nat(7)).map(([at, bit]) => {
          const bytes = Buffer.from(whole)
          bytes[at] = bytes.readUInt8(at) ^ (1 << bit)
          return bytes
        }),
        fc.nat(whole.length - 1).map(length => whole.subarray(0, length)),
        fc.uint8Array({ minLength: 1 }).map(more => Buffer.concat([whole, more])),
      ),
      async bytes => {
        await rm(path)
        await writeFile(path, bytes)
        const found = await readCurrent(directory.path)
        assert.deepEqual(found.state, stateOf(1))
        assert.match(String(found.recovered), /^Cannot use .*current" as it/)
      },
    ),
    { numRuns: 200 },
  )
})

for (const [what, bytes, reason] of [
  ['is empty', '', /it is empty/],
  ['is of another version', `plumb-current 2 ${'0'.repeat(64)}\n{}\n`, /version "2"; this build reads version 1/],
  ['is a foreign file', 'PNG and so on', /not a file of ours/],
] as const)
  test(`readCurrent() says so where current ${what} and nothing can stand in`, async () => {
    await using directory = await temporaryDirectory()
    await writeFile(join(directory.path, 'current'), bytes)
    const found = await readCurrent(directory.path)
    assert.equal(found.state, null)
    assert.match(String(found.recovered), reason)
  })

test('readCurrent() gives the state before where current is missing', async () => {
  await using directory = await temporaryDirectory()
  for (const serial of [1, 2]) await writeCurrent(directory.path, stateOf(serial))
  await rm(join(directory.path, 'current'))
  const found = await readCurrent(directory.path)
  assert.deepEqual(found.state, stateOf(1))
  assert.match(String(found.recovered), /it is missing; serial 1 of current.previous is used/)
})

test('stageCurrent() of what never goes live takes nothing of what can stand in for a damaged current', async () => {
  await using directory = await temporaryDirectory()
  for (const serial of [1, 2]) await writeCurrent(directory.path, stateOf(serial))
  const staged = await stageCurrent(directory.path, stateOf(3))
  assert.deepEqual(await readCurrent(directory.path), { state: stateOf(2), previous: stateOf(1), recovered: null })
  await staged.discard()
  // In place, as a disk does it: a second name of the file would show the same.
  await writeFile(join(directory.path, 'current'), 'damaged')
  assert.deepEqual((await readCurrent(directory.path)).state, stateOf(1))
})

test('writeCurrent() keeps the good state before it where current was corrupt', async () => {
  await using directory = await temporaryDirectory()
  for (const serial of [1, 2]) await writeCurrent(directory.path, stateOf(serial))
  await rm(join(directory.path, 'current'))
  await writeFile(join(directory.path, 'current'), 'rubbish')
  await writeCurrent(directory.path, stateOf(3))
  assert.deepEqual(await readCurrent(directory.path), { state: stateOf(3), previous: stateOf(1), recovered: null })
})

test('writeCurrent() that fails leaves the old state and nothing else', async () => {
  await using directory = await temporaryDirectory()
  await writeCurrent(directory.path, stateOf(1))
  // a directory in the way of the rename stands for a disk that refuses it
  await mkdir(join(directory.path, 'current.previous', 'in-the-way'), { recursive: true })
  await assert.rejects(
    writeCurrent(directory.path, stateOf(2)),
    (error: unknown) => error instanceof CurrentError && error.committed === 'no',
  )
  assert.deepEqual((await readCurrent(directory.path)).state, stateOf(1))
  assert(!(await readdir(directory.path)).includes('current.tmp'))
})

test('a full disk leaves what is live and no half file, and the next write works once there is room', async context => {
  await using disk = await mountSmallDisk()
  if (disk === null) return context.skip('mounting a file system needs root')
  const small = manifestOf([entryOf('a', {})])
  const before = await writeManifest(disk.path, small)
  await writeCurrent(disk.path, { ...stateOf(1), manifest: before })
  await disk.fill()
  await assert.rejects(writeManifest(disk.path, manifestOf(manyEntries(50))), /ENOSPC/)
  await assert.rejects(writeCurrent(disk.path, stateOf(2)), (error: unknown) => error instanceof CurrentError && error.committed === 'no')
  assert.equal((await readCurrent(disk.path)).state?.manifest, before)
  assert.deepStrictEqual(plain(await readManifest(disk.path, before)), plain(small))
  assert.deepEqual(await readdir(join(disk.path, 'manifests')), [before])
  await disk.free()
  await writeCurrent(disk.path, stateOf(2))
  assert.deepEqual((await readCurrent(disk.path)).state, stateOf(2))
})

for (const [failpoint, action, serial] of [
  ['snapshot.tmp', 'kill', 1],
  ['snapshot.fsynced', 'kill', 1],
  ['snapshot.renamed', 'kill', 2],
  ['snapshot.tmp', 'throw', 1],
  ['snapshot.fsynced', 'throw', 1],
  ['snapshot.renamed', 'throw', 1],
] as const)
  test(`writeCurrent() leaves serial ${serial} whole when ${failpoint} meets ${action}`, async () => {
    await using directory = await temporaryDirectory()
    await writeCurrent(directory.path, stateOf(1))
    await writeInChild(directory.path, stateOf(2), `${failpoint}=${action}`)
    const found = await readCurrent(directory.path)
    assert.deepEqual(found.state, stateOf(serial))
    assert.equal(found.recovered, null)
    await writeCurrent(directory.path, stateOf(3))
    assert.deepEqual((await readCurrent(directory.path)).state, stateOf(3))
  })

function stateOf(serial: number): CurrentState {
  return {
    serial,
    generation: serial,
    manifest: `${'0'.repeat(64)}.manifest`,
    fallback: serial > 1 ? { serial: serial - 1, generation: serial - 1, manifest: `${'1'.repeat(64)}.manifest` } : null,
    probationUntil: null,
    crashes: 0,
    history: {
      serial,
      generation: serial,
      environment: 'dev',
      revision: null,
      digest: '2'.repeat(64),
      manifest: `${'0'.repeat(64)}.manifest`,
      actor: 'Zoë',
      reason: 'sync',
      at: '2026-01-01T00:00:00.000Z',
      outcome: 'live',
      summary: { create: 1, update: 0, delete: 0 },
    },
  }
}

async function writeInChild(dataDir: string, state: CurrentState, failpoints: string): Promise<void> {
  const file = pathToFileURL(join(import.meta.dirname, '../../../engine/generation/current.ts')).href
  const script = `
    const { writeCurrent } = await import(${JSON.stringify(file)})
    await writeCurrent(${JSON.stringify(dataDir)}, ${JSON.stringify(state)}).catch(() => process.exit(3))`
  const child = spawn(process.execPath, ['--conditions=failpoints', '--input-type=module', '-e', script], {
    env: { ...process.env, FAILPOINTS: failpoints },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const [code, signal] = await once(child, 'exit')
  assert.deepEqual([code, signal], failpoints.endsWith('kill') ? [null, 'SIGKILL'] : [3, null])
}
