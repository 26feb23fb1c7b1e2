// What every implementation promises of tasks. `open` opens the store of the test.

import assert from 'node:assert'
import { test } from 'vitest'
import type { Store } from '../../engine/store/port.ts'
import type { NewTask, Task } from '../../engine/store/tasks.ts'

export function taskConformance(open: () => Promise<Store>): void {
  const failure = { at: '2026-01-01T00:00:01.000Z', status: 503, reason: 'it was away' }
  const ids = (tasks: readonly Pick<Task, 'id'>[]) => tasks.map(({ id }) => id)
  const dead = { state: 'dead', begun: 1, attempts: 1, dueAt: 0, failure } as const

  test('enqueueTask() keeps a task whole, and the first of an id', async () => {
    await using store = await open()
    const payload = { text: 'größe\n', list: [1, null, { deep: true }] }
    assert.equal(await store.enqueueTask({ ...taskOf('a'), payload }), true)
    assert.equal(await store.enqueueTask({ ...taskOf('a'), payload: null }), false)
    const found = await store.getTask('a')
    assert(found)
    const { seq, ...rest } = found
    assert.deepEqual(rest, { ...taskOf('a'), payload, state: 'ready', attempts: 0, holder: null, failure: null })
    assert(Number.isSafeInteger(seq))
    assert.equal(await store.getTask('b'), undefined)
  })

  test('dueTasks() gives what is ready and due, the longest due first, without what it is told to leave out', async () => {
    await using store = await open()
    for (const [id, dueAt] of [
      ['later', 200],
      ['first', 100],
      ['second', 100],
      ['taken', 50],
    ] as const)
      await store.enqueueTask(taskOf(id, { dueAt }))
    await store.takeTask('taken', 0, 'life')
    assert.deepEqual(ids(await store.dueTasks(199, 10, [])), ['first', 'second'])
    assert.deepEqual(ids(await store.dueTasks(200, 2, ['first'])), ['second', 'later'])
    assert.deepEqual(
      [await store.nextTaskAt([]), await store.nextTaskAt(['first', 'second']), await store.nextTaskAt(['first', 'second', 'later'])],
      [100, 200, undefined],
    )
  })

  test('a task is ended only by who took it, at the count at which it was taken', async () => {
    await using store = await open()
    await store.enqueueTask(taskOf('a'))
    const again = { state: 'ready', begun: 1, attempts: 1, dueAt: 500, failure } as const
    assert.equal(await store.finishTask('a', 0), false)
    assert.equal(await store.takeTask('a', 1, 'life'), false)
    assert.equal(await store.takeTask('a', 0, 'life'), true)
    assert.equal(await store.takeTask('a', 0, 'another'), true)
    assert.deepEqual(ids(await store.dueTasks(1_000, 10, [])), [])
    assert.equal((await store.getTask('a'))?.holder, 'another')
    assert.equal(await store.returnTask('a', 1, again), false)
    assert.equal(await store.returnTask('a', 0, again), true)
    assert.equal(await store.finishTask('a', 0), false)
    const { state, begun, attempts, dueAt, holder, failure: told } = (await store.getTask('a')) ?? {}
    assert.deepEqual({ state, begun, attempts, dueAt, holder, failure: told }, { ...again, holder: null })
    assert.equal(await store.takeTask('a', 0, 'late'), false)
    assert.equal(await store.takeTask('a', 1, 'life'), true)
    assert.equal(await store.finishTask('a', 1), true)
    assert.equal(await store.getTask('a'), undefined)
  })

  test('takeTask() gives a task to one of those who ask for different counts, and discardTask() ends that', async () => {
    await using store = await open()
    await store.enqueueTask(taskOf('a'))
    assert.deepEqual(await Promise.all([store.discardTask('a'), store.takeTask('a', 0, 'life')]), ['ready', false])
    await store.enqueueTask(taskOf('b'))
    assert.deepEqual(await Promise.all([store.takeTask('b', 0, 'life'), store.discardTask('b')]), [true, undefined])
    assert.equal(await store.discardTask('none'), undefined)
  })

  test('listTasks() is newest first, by state and service, in pages; countTasks() counts by state', async () => {
    await using store = await open()
    for (const [id, service] of [
      ['1', 'x'],
      ['2', 'y'],
      ['3', 'x'],
      ['4', 'x'],
    ] as const)
      await store.enqueueTask(taskOf(id, { service }))
    await store.takeTask('1', 0, 'life')
    await store.takeTask('4', 0, 'life')
    await store.returnTask('4', 0, dead)
    const all = await store.listTasks({ limit: 10 })
    assert.deepEqual(ids(all), ['4', '3', '2', '1'])
    assert(all.every(task => !('payload' in task)))
    assert.deepEqual(ids(await store.listTasks({ limit: 10, service: 'x' })), ['4', '3', '1'])
    assert.deepEqual(ids(await store.listTasks({ limit: 10, state: 'ready' })), ['3', '2'])
    assert.deepEqual(ids(await store.listTasks({ limit: 1, state: 'ready', before: all[1]?.seq ?? 0 })), ['2'])
    assert.deepEqual(await store.countTasks(), { ready: 2, running: 1, dead: 1 })
  })

  test('resubmitTasks() makes dead ones ready with all attempts before them, and what may have run stays known', async () => {
    await using store = await open()
    for (const [id, service] of [
      ['1', 'x'],
      ['2', 'y'],
      ['3', 'x'],
      ['4', 'x'],
    ] as const) {
      await store.enqueueTask(taskOf(id, { service }))
      if (id === '4') continue
      await store.takeTask(id, 0, 'life')
      await store.returnTask(id, 0, dead)
    }
    assert.equal(await store.resubmitTasks({ id: '4' }, 700), 0)
    assert.equal(await store.resubmitTasks({ id: '1' }, 700), 1)
    const { state, attempts, begun, dueAt } = (await store.getTask('1')) ?? {}
    assert.deepEqual({ state, attempts, begun, dueAt }, { state: 'ready', attempts: 0, begun: 1, dueAt: 700 })
    assert.equal(await store.resubmitTasks({ service: 'x' }, 700), 1)
    assert.equal(await store.resubmitTasks({}, 700), 1)
    assert.deepEqual(await store.countTasks(), { ready: 4, running: 0, dead: 0 })
  })

  test('a seq is not given twice, even after all tasks are done', async () => {
    await using store = await open()
    await store.enqueueTask(taskOf('a'))
    const { seq = 0 } = (await store.getTask('a')) ?? {}
    await store.discardTask('a')
    await store.enqueueTask(taskOf('b'))
    assert(((await store.getTask('b'))?.seq ?? 0) > seq)
  })
}

function taskOf(id: string, given: Partial<NewTask> = {}): NewTask {
  return {
    id,
    service: 'client.get',
    payload: { id },
    cid: `cid-${id}`,
    acceptedAt: '2026-01-01T00:00:00.000Z',
    dueAt: 0,
    maxAttempts: 5,
    begun: 0,
    deadlineMs: 60_000,
    ...given,
  }
}
