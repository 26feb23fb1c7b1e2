import assert from 'node:assert/strict'
import { test } from 'vitest'
import { until } from '../../until.ts'
import { isAlive, supervised } from './children.ts'

test('supervise() starts a child anew that was killed, and leaves the others alone', async () => {
  await using tree = await supervised(['beats', 'stubborn'])
  const [[first], [other]] = [await tree.started('beats'), await tree.started('stubborn')]
  assert(first && other)
  process.kill(first, 'SIGKILL')
  await until(async () => (await tree.started('beats')).length === 2, 'A second life')
  assert.deepEqual([await tree.started('stubborn'), isAlive(other)], [[other], true])
})

test('supervise() kills a child that is silent for too long, and starts it anew', async () => {
  await using tree = await supervised(['silent', 'beats'])
  await until(async () => (await tree.started('silent')).length === 2, 'A second life')
  assert.equal((await tree.started('beats')).length, 1)
})

test('supervise() kills nobody for having been stopped itself', async () => {
  await using tree = await supervised(['beats'], { silentMs: 500 })
  const [pid] = await tree.started('beats')
  assert(pid)
  tree.process.kill('SIGSTOP')
  const from = performance.now()
  await until(() => performance.now() - from > 1_500, 'A while')
  tree.process.kill('SIGCONT')
  // Its next looks come every 100 ms.
  const then = performance.now()
  await until(() => performance.now() - then > 500, 'Some looks')
  assert.deepEqual([await tree.started('beats'), isAlive(pid)], [[pid], true])
})

test('supervise() starts a child that keeps crashing ever more slowly', async () => {
  await using tree = await supervised(['crashes', 'beats'])
  const from = performance.now()
  await until(() => performance.now() - from > 2_000, 'A while')
  const starts = (await tree.started('crashes')).length
  // At once twice, then after 200, 400, 800, 1600 ms.
  assert(starts >= 3 && starts <= 7, `${starts} starts`)
  assert.equal((await tree.started('beats')).length, 1)
})

test('supervise() ends with a child that says no restart can help', async () => {
  await using tree = await supervised(['hopeless', 'beats'])
  assert.equal(await tree.ended, 78)
  assert.equal((await tree.started('hopeless')).length, 1)
  const [other] = await tree.started('beats')
  assert(other && !isAlive(other))
})

for (const [what, stop] of [
  ['told to', (tree: { process: { kill(signal: 'SIGTERM'): unknown } }) => tree.process.kill('SIGTERM')],
  ['the binder is gone', (tree: { leave(): void }) => tree.leave()],
] as const)
  test(`supervise() ends its children and then itself when ${what}; one that does not end is killed`, async () => {
    await using tree = await supervised(['beats', 'stubborn'])
    const pids = [...(await tree.started('beats')), ...(await tree.started('stubborn'))]
    stop(tree)
    assert.equal(await tree.ended, 0)
    assert.deepEqual(pids.filter(isAlive), [])
  })
