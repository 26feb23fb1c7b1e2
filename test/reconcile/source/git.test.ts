import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'vitest'
import { createGitSource } from '../../../reconcile/source/git.ts'
import { blobId } from '../../../reconcile/source/objects.ts'
import { SourceError } from '../../../reconcile/source/source-error.ts'
import { createRepository, type Repository } from './repository.ts'

const sourceOf = (repository: Repository, rest: Partial<Parameters<typeof createGitSource>[0]> = {}) =>
  createGitSource({ url: repository.url, ref: 'main', directory: join(repository.folder, 'data'), allowLocal: true, ...rest })

const refusedAs = (kind: string) => (error: unknown) => error instanceof SourceError && error.kind === kind

test('createGitSource() reads the files of a pushed commit without a checkout', async () => {
  using repository = createRepository()
  const first = repository.commit({ 'environments/dev/channels.yaml': 'channel_rest: []\n', 'services/a.ts': 'export {}\n' })
  await using source = sourceOf(repository)
  assert.equal(await source.head(), first)
  assert.equal(await source.fetch(), first)
  const tree = await source.tree(await source.head())
  assert.deepEqual([...tree.files.keys()], ['environments/dev/channels.yaml', 'services/a.ts'])
  const read = await tree.read(['services/a.ts', 'environments/dev/channels.yaml'])
  assert.equal(Buffer.from(read.get('services/a.ts') ?? []).toString(), 'export {}\n')
  assert.equal(tree.files.get('services/a.ts')?.blob, blobId(Buffer.from('export {}\n')))
  assert.deepEqual(readdirSync(join(repository.folder, 'data')), ['estate.git'])
})

test('createGitSource() follows pushes, rewritten history, annotated tags and names the commit', async () => {
  using repository = createRepository()
  const first = repository.commit({ a: '1' })
  await using source = sourceOf(repository)
  await source.fetch()
  const second = repository.commit({ a: '2' }, { subject: 'Raise a' })
  assert.equal(await source.head(), second)
  assert.equal(await source.fetch(), second)
  assert.equal((await (await source.tree(await source.fetch())).read(['a'])).size, 1)
  const { subject, author } = await source.commit(await source.head())
  assert.deepEqual({ subject, author }, { subject: 'Raise a', author: 'Ada' })
  repository.git(['update-ref', 'refs/heads/main', first])
  assert.equal(await source.fetch(), first)
  repository.git(['tag', '-a', 'main', '-m', 'same name as the branch', second])
  assert.equal(await source.head(), first)
  await using tagged = sourceOf(repository, { ref: 'refs/tags/main', directory: join(repository.folder, 'tagged') })
  assert.equal(await tagged.head(), second)
  assert.equal(await tagged.fetch(), second)
})

test('createGitSource() says that a ref is missing, and that a repository is not there', async () => {
  using repository = createRepository()
  repository.commit({ a: '1' })
  await using gone = sourceOf(repository, { ref: 'other' })
  await assert.rejects(gone.head(), refusedAs('ref-missing'))
  await assert.rejects(gone.fetch(), refusedAs('ref-missing'))
  await using nowhere = sourceOf(repository, { url: join(repository.folder, 'nowhere.git') })
  await assert.rejects(nowhere.head(), refusedAs('unreachable'))
})

for (const [what, record] of [
  ['a symbolic link', (blob: string) => `120000 blob ${blob}\tenvironments`],
  ['a submodule', () => `160000 commit ${'1'.repeat(40)}\tmodules`],
  ['a backslash', (blob: string) => `100644 blob ${blob}\ta\\..\\b`],
  ['a newline', (blob: string) => `100644 blob ${blob}\ta\nb`],
  ['an option', (blob: string) => `100644 blob ${blob}\t-rf`],
  ['a bidirectional override', (blob: string) => `100644 blob ${blob}\tab\u202etxt.ts`],
  ['a decomposed letter', (blob: string) => `100644 blob ${blob}\te\u0301.ts`],
] as const)
  test(`tree() refuses ${what} by name and the source goes on`, async () => {
    using repository = createRepository()
    const good = repository.commit({ a: '1' })
    await using source = sourceOf(repository)
    const evil = repository.commitTree([record(repository.blob('x'))])
    assert.equal(await source.fetch(), evil)
    await assert.rejects(source.tree(await source.head()), refusedAs('refused'))
    repository.git(['update-ref', 'refs/heads/main', good])
    assert.equal((await source.tree(await source.fetch())).files.size, 1)
  })

for (const [what, name] of [
  ['..', '..'],
  ['.git', '.git'],
  ['.GIT', '.GIT'],
  ['git~1', 'git~1'],
] as const)
  test(`a commit that holds ${what} is never listed`, async () => {
    using repository = createRepository()
    const inner = repository.git(['mktree'], `100644 blob ${repository.blob('x')}\tconfig\n`)
    repository.commitTree([`040000 tree ${inner}\t${name}`])
    await using source = sourceOf(repository)
    await assert.rejects(
      source.fetch().then(revision => source.tree(revision)),
      refusedAs('refused'),
    )
  })

test('tree() refuses two paths that differ only by case, and invalid UTF-8', async () => {
  using repository = createRepository()
  repository.commit({ 'services/a.ts': '1', 'Services/b.ts': '2' })
  await using source = sourceOf(repository)
  await assert.rejects(
    source.fetch().then(revision => source.tree(revision)),
    /only by case/,
  )
  const blob = repository.blob('x')
  const tree = repository.git(['mktree', '-z'], Buffer.concat([Buffer.from(`100644 blob ${blob}\t`), Buffer.from([0xff, 0x61, 0])]))
  repository.git(['update-ref', 'refs/heads/main', repository.git(['commit-tree', tree, '-m', 'bytes'])])
  await assert.rejects(
    source.fetch().then(revision => source.tree(revision)),
    /UTF-8/,
  )
})

test('tree() stops a tree that unfolds to billions of paths at its budget, within a second', async () => {
  using repository = createRepository()
  let tree = repository.git(['mktree'], Array.from({ length: 10 }, (_, at) => `100644 blob ${repository.blob('x')}\tf${at}`).join('\n'))
  for (let level = 0; level < 9; level++)
    tree = repository.git(['mktree'], Array.from({ length: 10 }, (_, at) => `040000 tree ${tree}\td${at}`).join('\n'))
  repository.git(['update-ref', 'refs/heads/main', repository.git(['commit-tree', tree, '-m', 'bomb'])])
  await using source = sourceOf(repository)
  const revision = await source.fetch()
  const startedAt = performance.now()
  await assert.rejects(source.tree(revision), /more than 20000 files/)
  assert.ok(performance.now() - startedAt < 5_000)
})

test('read() refuses a file over the budget by name, and reads the others', async () => {
  using repository = createRepository()
  repository.commit({ 'big.bin': Buffer.alloc(1_048_577), 'small.yaml': 'a: 1', 'package-lock.json': Buffer.alloc(1_048_577) })
  await using source = sourceOf(repository)
  const tree = await source.tree(await source.fetch())
  await assert.rejects(tree.read(['big.bin']), /"big.bin" as it has 1048577 bytes/)
  assert.equal((await tree.read(['small.yaml'])).get('small.yaml')?.length, 4)
  assert.equal((await tree.read(['package-lock.json'])).get('package-lock.json')?.length, 1_048_577)
})

test('a damaged clone is discarded and made anew', async () => {
  using repository = createRepository()
  repository.commit({ 'a.yaml': 'a: 1\n'.repeat(200) })
  await using source = sourceOf(repository)
  const revision = await source.fetch()
  const packs = join(repository.folder, 'data', 'estate.git', 'objects', 'pack')
  for (const name of readdirSync(packs).filter(name => name.endsWith('.pack'))) {
    chmodSync(join(packs, name), 0o600)
    const bytes = readFileSync(join(packs, name))
    writeFileSync(join(packs, name), bytes.fill(0x55, 12, bytes.length - 20))
  }
  const tree = await source.tree(revision)
  assert.equal((await tree.read(['a.yaml'])).get('a.yaml')?.length, 1000)
})

test('fetch() goes on after a crash that left lock files and half a transfer', async () => {
  using repository = createRepository()
  repository.commit({ a: '1' })
  await using source = sourceOf(repository)
  await source.fetch()
  const clone = join(repository.folder, 'data', 'estate.git')
  for (const lock of ['HEAD.lock', 'packed-refs.lock', 'shallow.lock', 'refs/plumb/head.lock']) writeFileSync(join(clone, lock), '')
  const second = repository.commit({ a: '2' })
  assert.equal(await source.fetch(), second)
  assert.ok(!existsSync(join(clone, 'incoming')))
})

test('a clone of another remote is not reused', async () => {
  using one = createRepository()
  using other = createRepository()
  one.commit({ a: '1' })
  const expected = other.commit({ b: '2' })
  const directory = join(one.folder, 'data')
  await using source = sourceOf(one)
  await source.fetch()
  await using moved = sourceOf(other, { directory })
  assert.equal(await moved.fetch(), expected)
})

test('head() ends at its own deadline when the remote accepts and never answers', async () => {
  using repository = createRepository()
  const sockets = new Set<import('node:net').Socket>()
  const server = createTcpServer(socket => sockets.add(socket.resume().on('error', () => sockets.delete(socket)))).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo // a TCP server has an address of this form
  const closed = new Promise(resolve => server.once('connection', socket => socket.once('close', resolve)))
  await using source = sourceOf(repository, { url: `http://127.0.0.1:${port}/estate.git`, headMs: 300 })
  await assert.rejects(source.head(), refusedAs('timeout'))
  await closed // the transport helper ended too, not only git
  for (const socket of sockets) socket.destroy()
  await new Promise(resolve => server.close(resolve))
})

for (const [what, status, body, kind] of [
  // git takes a page for the old protocol without a server side, and finds no ref in it.
  ['an HTML page', 200, '<html>hello</html>', 'ref-missing'],
  ['a login', 401, '', 'auth'],
  ['forbidden', 403, '', 'auth'],
  ['an error of the server', 500, '', 'unreachable'],
  ['nothing there', 404, '', 'unreachable'],
  ['a redirect', 302, '', 'refused'],
] as const)
  test(`head() tells ${what} apart`, async () => {
    using repository = createRepository()
    const server = createServer((_, response) => response.writeHead(status, { location: 'http://127.0.0.1:1/other' }).end(body)).listen(
      0,
      '127.0.0.1',
    )
    await new Promise(resolve => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo // a TCP server has an address of this form
    await using source = sourceOf(repository, { url: `http://127.0.0.1:${port}/estate.git` })
    await assert.rejects(source.head(), refusedAs(kind))
    server.closeAllConnections()
    await new Promise(resolve => server.close(resolve))
  })

test('nothing of the user, the environment or the repository makes git run a command', async () => {
  using repository = createRepository()
  const canary = join(repository.folder, 'PWNED')
  repository.commit({
    '.gitattributes': '* filter=evil diff=evil\n',
    '.gitmodules': `[submodule "x"]\n path=x\n url=ext::sh -c touch% ${canary}\n`,
    a: '1',
  })
  const saved = { ...process.env }
  process.env.GIT_SSH_COMMAND = `touch ${canary}`
  process.env.GIT_DIR = repository.folder
  process.env.GIT_EXTERNAL_DIFF = `touch ${canary}`
  try {
    await using source = sourceOf(repository)
    const revision = await source.fetch()
    await (await source.tree(revision)).read(['a'])
    await source.commit(revision)
  } finally {
    for (const key of ['GIT_SSH_COMMAND', 'GIT_DIR', 'GIT_EXTERNAL_DIFF']) {
      if (saved[key] === undefined) delete process.env[key]
      else process.env[key] = saved[key]
    }
  }
  assert.ok(!existsSync(canary))
})
