import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { test } from 'vitest'
import type { Parsed } from '../../../reconcile/compile/document.ts'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { temporaryDirectory } from '../../directory.ts'
import { memoryTree } from '../../tree.ts'

/** Parses the files of a tree; says what was read for it. */
async function parse(cache: DocumentCache, files: Readonly<Record<string, string>>) {
  const tree = memoryTree(files)
  const parsed = await cache.parsed([...tree.files.values()], paths => tree.read(paths))
  return { parsed, reads: tree.reads }
}

const contentOf = (parsed: Parsed | undefined) => (parsed?.kind === 'document' ? parsed.document.value : parsed?.refusals[0]?.code)

test('parsed() gives each file, and the same object for the same bytes', async () => {
  await using cache = new DocumentCache({ directory: null })
  const first = await parse(cache, { a: 'x: 1', b: 'x: 1', c: 'x: [' })
  assert.deepEqual(contentOf(first.parsed.get('a')), { x: 1 })
  assert.equal(first.parsed.get('a'), first.parsed.get('b'))
  assert.equal(contentOf(first.parsed.get('c')), 'YAML_SYNTAX')
  const second = await parse(cache, { z: 'x: 1' })
  assert.deepEqual(second.reads, [])
  assert.equal(second.parsed.get('z'), first.parsed.get('a'))
})

test('a second process reads no file that the first one has parsed, refusals included', async () => {
  await using directory = await temporaryDirectory()
  const path = join(directory.path, 'cache')
  {
    await using cache = new DocumentCache({ directory: path })
    await parse(cache, { a: 'x: 1', b: 'x: [' })
  }
  await using cache = new DocumentCache({ directory: path })
  const { parsed, reads } = await parse(cache, { a: 'x: 1', b: 'x: [' })
  assert.deepEqual(reads, [])
  assert.deepEqual([contentOf(parsed.get('a')), contentOf(parsed.get('b'))], [{ x: 1 }, 'YAML_SYNTAX'])
})

for (const [what, damage] of [
  ['cut short', (text: string) => text.slice(0, -5)],
  ['changed', (text: string) => text.replace('"x":1', '"x":2')],
  ['empty', () => ''],
  ['of another format', (text: string) => text.replace('plumb-document 1', 'plumb-document 0')],
] as const)
  test(`a cached file that is ${what} is parsed again`, async () => {
    await using directory = await temporaryDirectory()
    {
      await using cache = new DocumentCache({ directory: directory.path })
      await parse(cache, { a: 'x: 1' })
    }
    const [name = ''] = await readdir(directory.path)
    const file = join(directory.path, name)
    await writeFile(file, damage(await readFile(file, 'utf8')))
    await using cache = new DocumentCache({ directory: directory.path })
    const { parsed, reads } = await parse(cache, { a: 'x: 1' })
    assert.deepEqual(reads, ['a'])
    assert.deepEqual(contentOf(parsed.get('a')), { x: 1 })
  })

test('the cache directory keeps no more files than it may, the newest ones', async () => {
  await using directory = await temporaryDirectory()
  for (const old of ['a', 'b', 'c']) {
    const path = join(directory.path, `${old}.json`)
    await writeFile(path, '')
    await utimes(path, 1, 1)
  }
  {
    await using cache = new DocumentCache({ directory: directory.path, maxFiles: 2 })
    await parse(cache, { x: 'x: 1', y: 'x: 2' })
  }
  const left = await readdir(directory.path)
  assert.ok(left.length <= 3 && !left.includes('a.json'), left.join())
})

test('a cache directory that cannot be written costs nothing but time', async () => {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'taken')
  await writeFile(file, '')
  await using cache = new DocumentCache({ directory: file })
  assert.deepEqual(contentOf((await parse(cache, { a: 'x: 1' })).parsed.get('a')), { x: 1 })
})

test('a file that takes too long is refused, the others are parsed, and the refusal is not kept', async () => {
  await using directory = await temporaryDirectory()
  await using cache = new DocumentCache({ directory: directory.path, deadlineMs: 400 })
  await parse(cache, { warm: 'x: 0' })
  const slow = `[${'0,'.repeat(300_000)}0]`
  const { parsed } = await parse(cache, { a: 'x: 1', slow, z: 'x: 2' })
  assert.deepEqual(
    [contentOf(parsed.get('a')), contentOf(parsed.get('slow')), contentOf(parsed.get('z'))],
    [{ x: 1 }, 'YAML_LIMIT', { x: 2 }],
  )
  assert.deepEqual((await parse(cache, { a: 'x: 1' })).reads, [])
  await cache[Symbol.asyncDispose]()
  assert.equal((await readdir(directory.path)).length, 3)
})

test('a file whose parser is not let to work for a while is parsed once it is', async () => {
  await using cache = new DocumentCache({ directory: null, deadlineMs: 300 })
  await parse(cache, { warm: 'x: 0' })
  const children = execFileSync('pgrep', ['-P', String(process.pid), '-x', 'plumb parse'])
    .toString()
    .trim()
    .split('\n')
    .map(Number)
  for (const pid of children) process.kill(pid, 'SIGSTOP')
  const parsing = parse(cache, { a: 'x: 1' })
  await setTimeout(900)
  for (const pid of children) process.kill(pid, 'SIGCONT')
  assert.deepEqual(contentOf((await parsing).parsed.get('a')), { x: 1 })
})
