import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { SourceError } from '../../../reconcile/source/source-error.ts'
import { uploadTree } from '../../../reconcile/source/upload.ts'
import { createWorktreeSource, type WorktreeSource } from '../../../reconcile/source/worktree.ts'
import { createRepository, writeFiles } from './repository.ts'

interface Folder extends Disposable {
  readonly root: string
  readonly source: WorktreeSource
}

function estate(files: Record<string, string>): Folder {
  const root = mkdtempSync(join(tmpdir(), 'plumb-worktree-'))
  writeFiles(root, files)
  return { root, source: createWorktreeSource({ root }), [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}

const text = async (tree: Awaited<ReturnType<WorktreeSource['snapshot']>>, path: string) =>
  Buffer.from((await tree.read([path])).get(path) ?? []).toString()

test('snapshot() holds the estate and leaves out what editors, git and npm put there', async () => {
  using folder = estate({
    'environments/dev/environment.yaml': 'environment: dev\n',
    'environments/dev/.environment.yaml.swp': 'x',
    'services/a.ts': 'a',
    'services/a.ts~': 'old',
    'services/node_modules/x/index.js': 'x',
    'package.json': '{}',
    'README.md': 'x',
    '.git/config': 'x',
    '.plumb/state': 'x',
  })
  const tree = await folder.source.snapshot()
  assert.deepEqual([...tree.files.keys()], ['environments/dev/environment.yaml', 'package.json', 'services/a.ts'])
  assert.match(tree.revision, /^worktree-[0-9a-f]{40}$/)
})

test('snapshot() names blobs as git does, and equal files give an equal revision, an upload included', async () => {
  using folder = estate({ 'environments/dev/a.yaml': 'a: 1\n', 'services/a.ts': 'é' })
  using repository = createRepository()
  const tree = await folder.source.snapshot()
  assert.equal(tree.files.get('services/a.ts')?.blob, repository.blob('é'))
  const upload = uploadTree([...(await tree.read([...tree.files.keys()]))].map(([path, bytes]) => ({ path, bytes })))
  assert.equal(upload.revision, tree.revision)
})

test('snapshot() keeps the text it was made from when the file is saved again', async () => {
  using folder = estate({ 'services/a.ts': 'one' })
  const before = await folder.source.snapshot()
  writeFileSync(join(folder.root, 'services/a.ts'), 'two')
  const after = await folder.source.snapshot()
  assert.deepEqual([await text(before, 'services/a.ts'), await text(after, 'services/a.ts')], ['one', 'two'])
  assert.notEqual(before.revision, after.revision)
})

test('snapshot() refuses a symbolic link by name', async () => {
  using folder = estate({ 'services/a.ts': 'one' })
  symlinkSync('/etc/passwd', join(folder.root, 'services/b.ts'))
  await assert.rejects(folder.source.snapshot(), (error: unknown) => error instanceof SourceError && error.path === 'services/b.ts')
})

for (const [what, save] of [
  ['a write in place', (root: string) => writeFileSync(join(root, 'services/a.ts'), 'two')],
  [
    'a rename over the file',
    (root: string) => {
      writeFileSync(join(root, 'services/.a.ts.tmp'), 'two')
      renameSync(join(root, 'services/.a.ts.tmp'), join(root, 'services/a.ts'))
    },
  ],
  [
    'a file in a new folder',
    (root: string) => {
      mkdirSync(join(root, 'services/new/deep'), { recursive: true })
      writeFileSync(join(root, 'services/new/deep/b.ts'), 'two')
    },
  ],
  ['a delete', (root: string) => rmSync(join(root, 'services/a.ts'))],
] as const)
  test(`watch() tells ${what}, once it has settled`, async () => {
    using folder = estate({ 'environments/dev/a.yaml': 'a: 1\n', 'services/a.ts': 'one' })
    await using source = folder.source
    const before = await source.snapshot()
    const told = new Promise<void>(resolve => source.watch(resolve))
    save(folder.root)
    await told
    assert.notEqual((await source.snapshot()).revision, before.revision)
  })

for (const [what, save] of [
  ['in a folder that an include leads to', (root: string) => writeFileSync(join(root, 'shared/x.yaml'), 'a: 2\n')],
  ['in a folder that such a file leads to', (root: string) => writeFileSync(join(root, 'more/deep/y.yaml'), 'a: 2\n')],
  ['in a folder that appears where one leads to', (root: string) => writeFiles(root, { 'later/z.yaml': 'a: 2\n' })],
] as const)
  test(`watch() tells of a save ${what}`, async () => {
    using folder = estate({
      'environments/dev/a.yaml': 'include: [../../shared/x.yaml, ../../later/z.yaml]\n',
      'shared/x.yaml': 'include: [../more/deep/y.yaml]\n',
      'more/deep/y.yaml': 'a: 1\n',
    })
    await using source = folder.source
    let tell: () => void = () => assert.fail('told before anything changed')
    source.watch(() => tell())
    const before = await source.snapshot()
    const told = new Promise<void>(resolve => (tell = resolve))
    save(folder.root)
    await told
    assert.notEqual((await source.snapshot()).revision, before.revision)
  })

test.skipIf(process.platform !== 'linux')(
  'watch() opens no folder that nothing leads to, that holds packages, or that git ignores',
  async () => {
    using folder = estate({
      'environments/dev/a.yaml': 'include: [../../shared/x.yaml]\n',
      'shared/x.yaml': 'a: 1\n',
      'shared/node_modules/x/x.yaml': 'a: 1\n',
      'shared/dist/x.yaml': 'a: 1\n',
      'other/deep/x.yaml': 'a: 1\n',
      '.gitignore': 'dist/\n',
    })
    execFileSync('git', ['init', '--quiet', folder.root])
    await using source = folder.source
    source.watch(() => undefined)
    await source.snapshot()
    const watched = watchedInodes()
    const folders = ['', 'environments', 'environments/dev', 'shared', 'shared/node_modules', 'shared/dist', 'other', 'other/deep']
    assert.deepEqual(
      folders.filter(path => watched.has(statSync(join(folder.root, path)).ino)),
      ['', 'environments', 'environments/dev', 'shared'],
    )
  },
)

test('snapshot() of a linked worktree of git leaves out what git ignores there, by the rules of the repository too', async () => {
  using main = estate({ 'services/a.ts': 'a', '.gitignore': '*.log.ts\n' })
  const git = (...args: string[]) => execFileSync('git', ['-C', main.root, '-c', 'user.name=T', '-c', 'user.email=t@example.com', ...args])
  git('init', '--quiet')
  git('add', '.')
  git('commit', '--quiet', '-m', 'start')
  const linked = `${main.root}-linked`
  git('worktree', 'add', '--quiet', '--detach', linked)
  try {
    await using source = createWorktreeSource({ root: linked })
    writeFiles(linked, { 'services/b.log.ts': 'x', 'services/c.ts': 'c' })
    assert.deepEqual([...(await source.snapshot()).files.keys()], ['services/a.ts', 'services/c.ts'])
    writeFileSync(join(main.root, '.git/info/exclude'), 'c.ts\n')
    assert.deepEqual([...(await source.snapshot()).files.keys()], ['services/a.ts'])
  } finally {
    rmSync(linked, { recursive: true, force: true })
  }
})

/** What this process watches, as the kernel lists it. */
function watchedInodes(): ReadonlySet<number> {
  const lists = readdirSync('/proc/self/fdinfo').flatMap(name => {
    try {
      return [...readFileSync(`/proc/self/fdinfo/${name}`, 'utf8').matchAll(/^inotify .*\bino:([0-9a-f]+)/gm)]
    } catch {
      return [] // the descriptor by which the folder was listed
    }
  })
  return new Set(lists.map(([, inode]) => Number.parseInt(inode ?? '', 16)))
}

test('snapshot() of an estate that leads everywhere leaves out what it is told to', async () => {
  using folder = estate({ 'environments/dev/environment.yaml': 'services: ../..\n', 'state/live.yaml': 'a: 1\n', 'code/a.ts': 'a' })
  await using source = createWorktreeSource({ root: folder.root, except: join(folder.root, 'state') })
  assert.deepEqual([...(await source.snapshot()).files.keys()], ['code/a.ts', 'environments/dev/environment.yaml'])
})

test('watch() sees a change inside a folder that appeared after it began', async () => {
  using folder = estate({ 'services/a.ts': 'one' })
  await using source = folder.source
  let tell: () => void = () => {
    throw new Error('told before anything changed')
  }
  const next = () => new Promise<void>(resolve => (tell = resolve))
  const first = next()
  source.watch(() => tell())
  mkdirSync(join(folder.root, 'environments/dev'), { recursive: true })
  await first
  const second = next()
  writeFileSync(join(folder.root, 'environments/dev/a.yaml'), 'a: 1\n')
  await second
  assert.equal((await source.snapshot()).files.size, 2)
})

test('uploadTree() refuses a path twice, outside of the tree, and two paths that differ by case', () => {
  const bytes = new Uint8Array()
  for (const paths of [['a', 'a'], ['../a'], ['/a'], ['a/../b'], ['a\\b'], ['A/x', 'a/y'], ['.GIT /config'], ['a/.git./x']])
    assert.throws(
      () => uploadTree(paths.map(path => ({ path, bytes }))),
      (error: unknown) => error instanceof SourceError && error.kind === 'refused',
      paths.join(),
    )
})

test('snapshot() writes names as `nameOf` says, reads their text, and refuses two that become one, both named', async () => {
  using folder = estate({ 'services/Zoe\u0308.ts': 'decomposed' })
  const nameOf = (path: string) => path.normalize('NFC')
  const source = createWorktreeSource({ root: folder.root, nameOf })
  const tree = await source.snapshot()
  assert.deepEqual([...tree.files.keys()], ['services/Zo\u00eb.ts'])
  assert.equal(await text(tree, 'services/Zo\u00eb.ts'), 'decomposed')
  writeFiles(folder.root, { 'services/Zo\u00eb.ts': 'composed' })
  await assert.rejects(source.snapshot(), (error: unknown) => {
    assert(error instanceof SourceError && error.kind === 'refused')
    return /Zo\\u\{eb\}/.test(error.message) && /Zoe\\u\{308\}/.test(error.message)
  })
})
