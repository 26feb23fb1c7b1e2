// The loop over real sources: a git repository that is pushed to, and a folder that is edited.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'
import { createGitSource } from '../../../reconcile/source/git.ts'
import { followWorktree } from '../../../reconcile/source/source.ts'
import { createWorktreeSource } from '../../../reconcile/source/worktree.ts'
import { createHistory } from '../../../reconcile/sync/history.ts'
import { createSync } from '../../../reconcile/sync/sync.ts'
import { createRepository } from '../source/repository.ts'
import { type Estate, setUp } from './setup.ts'

const filesOf = (estate: Estate) => ({ 'environments/dev/estate.json': JSON.stringify(estate) })
const by = { actor: 'ada' }

test('pushes, a symbolic link, a rewritten history and a deleted branch: what is good goes live, the rest changes nothing', async () => {
  using repository = createRepository()
  await using source = createGitSource({ url: repository.url, ref: 'main', directory: join(repository.folder, 'data'), allowLocal: true })
  await using server = await setUp({ source: null })
  const sync = createSync({ ...server, source, signal: server.stop.signal })
  const first = repository.commit(filesOf({ resources: { 'sql/a': {} } }), { subject: 'Add a' })
  assert.equal((await sync.run(by)).kind, 'live')
  repository.commitTree([`120000 blob ${repository.blob('/etc/passwd')}\tenvironments`])
  const refused = await sync.run(by)
  assert.ok(refused.kind === 'refused' && refused.issues[0]?.code === 'TREE_REFUSED' && refused.isFinal)
  const again = await sync.run(by)
  assert.ok(again.kind === 'refused' && again.phases.fetch === undefined, 'it is not fetched and judged again')
  assert.equal(sync.conditions().find(condition => condition.type === 'Stalled')?.status, true)
  repository.git(['update-ref', 'refs/heads/main', first])
  repository.commit(filesOf({ resources: { 'sql/b': {} } }))
  assert.equal((await sync.run(by)).kind, 'live')
  repository.git(['update-ref', '-d', 'refs/heads/main'])
  const gone = await sync.run(by)
  assert.ok(gone.kind === 'failed' && gone.fault === 'ref-missing')
  assert.deepEqual([...server.engine.live().manifest.entries.keys()], ['sql/b'])
  const { history } = (await createHistory(server.store, source).list({ limit: 10 })) as {
    history: { revision: string; commit: { subject: string } }[]
  } // as documented
  assert.deepEqual([history[1]?.revision, history[1]?.commit.subject], [first, 'Add a'])
})

test('an edit in the working tree goes live, and a broken save changes nothing until it is mended', async () => {
  const root = mkdtempSync(join(tmpdir(), 'plumb-follow-'))
  try {
    await using worktree = createWorktreeSource({ root })
    await using server = await setUp({ source: null, judge: { by: 'own', floors: {} } })
    const sync = createSync({ ...server, source: followWorktree(worktree), signal: server.stop.signal })
    const save = (estate: Estate) => writeFileSync(join(root, 'environments/dev/estate.json'), JSON.stringify(estate))
    mkdirSync(join(root, 'environments/dev'), { recursive: true })
    save({ resources: { 'sql/a': {} } })
    assert.equal((await sync.run(by)).kind, 'live')
    save({ broken: 'half a line' })
    assert.equal((await sync.run(by)).kind, 'refused')
    save({ resources: { 'sql/a': {}, 'sql/b': {} } })
    assert.equal((await sync.run(by)).kind, 'live')
    assert.equal(server.engine.live().manifest.entries.size, 2)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})

test('a server that stops does not wait for a remote that does not answer', async () => {
  await using server = await setUp({ source: null })
  const silent = {
    ref: null,
    shown: 'silent',
    head: () => new Promise<never>(() => undefined),
    fetch: () => new Promise<never>(() => undefined),
  }
  const source = { ...silent, tree: () => Promise.reject(new Error('never reached')) }
  const sync = createSync({ ...server, source, signal: server.stop.signal })
  const pass = sync.run(by)
  server.stop.abort(new Error('The server is stopping'))
  assert.equal((await pass).kind, 'failed')
})
