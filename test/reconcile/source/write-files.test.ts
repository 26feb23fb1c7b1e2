import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { blobId } from '../../../reconcile/source/objects.ts'
import { SourceError } from '../../../reconcile/source/source-error.ts'
import { writeFiles } from '../../../reconcile/source/write-files.ts'
import { writeFiles as writeEstate } from './repository.ts'

function estate(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'plumb-write-'))
  writeEstate(root, files)
  return {
    root,
    text: () =>
      Object.fromEntries(readdirSync(join(root, 'services')).map(name => [name, readFileSync(join(root, 'services', name), 'utf8')])),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text))
const id = (text: string) => blobId(bytes(text))

test('writeFiles() replaces, makes and removes files, and leaves nothing else behind', () => {
  using folder = estate({ 'services/a.ts': 'a', 'services/b.ts': 'b' })
  const unexpected = writeFiles(folder.root, [
    { path: 'services/a.ts', content: bytes('A'), expected: [id('a')] },
    { path: 'services/c.ts', content: bytes('C'), expected: [null] },
    { path: 'services/b.ts', content: null, expected: [id('b')] },
  ])
  assert.deepEqual([unexpected, folder.text()], [[], { 'a.ts': 'A', 'c.ts': 'C' }])
})

test('writeFiles() writes nothing where one file is not what was expected, and names it', () => {
  using folder = estate({ 'services/a.ts': 'a', 'services/b.ts': 'edited there' })
  const unexpected = writeFiles(folder.root, [
    { path: 'services/a.ts', content: bytes('A'), expected: [id('a')] },
    { path: 'services/b.ts', content: bytes('B'), expected: [id('b')] },
  ])
  assert.deepEqual([unexpected, folder.text()], [['services/b.ts'], { 'a.ts': 'a', 'b.ts': 'edited there' }])
})

test('writeFiles() again over what it has half written makes it whole', () => {
  using folder = estate({ 'services/a.ts': 'A', 'services/b.ts': 'b' })
  const unexpected = writeFiles(folder.root, [
    { path: 'services/a.ts', content: bytes('A'), expected: [id('a'), id('A')] },
    { path: 'services/b.ts', content: bytes('B'), expected: [id('b'), id('B')] },
  ])
  assert.deepEqual([unexpected, folder.text()], [[], { 'a.ts': 'A', 'b.ts': 'B' }])
})

test('writeFiles() writes through no link', () => {
  using outside = estate({ 'services/a.ts': 'a' })
  using folder = estate({ 'services/b.ts': 'b' })
  symlinkSync(join(outside.root, 'services'), join(folder.root, 'services', 'linked'))
  assert.throws(
    () => writeFiles(folder.root, [{ path: 'services/linked/a.ts', content: bytes('A'), expected: [id('a')] }]),
    (error: unknown) => error instanceof SourceError && error.kind === 'refused',
  )
  assert.deepEqual(outside.text(), { 'a.ts': 'a' })
})
