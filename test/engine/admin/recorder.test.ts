import assert from 'node:assert'
import { test } from 'vitest'
import { type Actor, Refusal } from '../../../engine/admin/port.ts'
import { createRecorder, type Refused } from '../../../engine/admin/recorder.ts'
import type { Row } from '../../../engine/admin/route.ts'
import { rows } from '../../../engine/admin/routes.ts'
import type { AuditEntry } from '../../../engine/store/audit.ts'
import { silent } from './server.ts'

const actor: Actor = { name: 'ci (abc)', via: 'token', role: 'deployer', scopes: [], token: 'abc', address: '192.0.2.1' }
const call = { params: { environment: 'dev' }, query: {}, body: {}, actor }

test('recorded() says who asks before anything is done, and how it ended', async () => {
  const kept = createKept()
  const recorder = createRecorder({ store: kept, log: silent, now: () => 0 })
  const answer = await recorder.recorded(rowOf('rollback'), { ...call, body: { to: 4, reason: 'slow' } }, 'cid-1', async () => {
    assert.equal(kept.rows.length, 1)
    return { outcome: { kind: 'live', serial: 9, generation: 9, secret: 'kept out' } }
  })
  assert.deepEqual(answer.outcome, { kind: 'live', serial: 9, generation: 9, secret: 'kept out' })
  const who = { at: iso(0), actor: 'ci (abc)', via: 'token', role: 'deployer', token: 'abc', address: '192.0.2.1' }
  const what = { action: 'rollback', target: null, event: null }
  assert.deepEqual(kept.rows, [
    { ...who, ...what, outcome: 'asked', detail: { to: 4, reason: 'slow', cid: 'cid-1' } },
    { ...who, ...what, outcome: 'done', detail: { of: 1, kind: 'live', serial: 9, generation: 9 } },
  ])
})

for (const [what, error, outcome, detail] of [
  ['is refused', new Refusal(409, 'STALE', 'Cannot'), 'refused', { of: 1, status: 409, code: 'STALE' }],
  ['fails', new Error('password=hunter2'), 'failed', { of: 1 }],
] as const)
  test(`recorded() says so where an operation ${what}`, async () => {
    const kept = createKept()
    const recorder = createRecorder({ store: kept, log: silent })
    await assert.rejects(
      recorder.recorded(rowOf('sync'), call, 'cid', () => Promise.reject(error)),
      error,
    )
    assert.deepEqual([kept.rows[1]?.outcome, kept.rows[1]?.detail], [outcome, detail])
  })

test('recorded() does nothing where it cannot be written who asks', async () => {
  const recorder = createRecorder({ store: createKept(() => true), log: silent })
  let isDone = false
  await assert.rejects(
    recorder.recorded(rowOf('sync'), call, 'cid', async () => {
      isDone = true
      return {}
    }),
    (error: unknown) => error instanceof Refusal && error.status === 503 && error.code === 'AUDIT_UNAVAILABLE',
  )
  assert.equal(isDone, false)
})

test('recorded() answers all the same where only the end cannot be written: what is done is done', async () => {
  const kept = createKept(count => count === 2)
  const errors: string[] = []
  const log = { ...silent, error: (_: object, message: string) => void errors.push(message) }
  assert.deepEqual(await createRecorder({ store: kept, log }).recorded(rowOf('sync'), call, 'cid', async () => ({ a: 1 })), { a: 1 })
  assert.deepEqual(errors, ['Cannot write to the audit'])
})

test('recorded() keeps no payload, and no file, of a request', async () => {
  const secret = 'canary-5f0c'
  for (const row of rows.filter(({ method }) => method !== 'GET')) {
    const kept = createKept()
    const file = { path: `environments/${secret}.yaml`, base64: Buffer.from(secret).toString('base64') }
    const body = { service: 'a', ref: 'sql/a', payload: { secret }, files: [file], name: 'ci', role: 'admin' }
    await createRecorder({ store: kept, log: silent }).recorded(row, { ...call, body }, 'cid', async () => ({
      payload: secret,
      token: secret,
      outcome: { detail: secret },
    }))
    assert.equal(kept.rows.length, 2)
    assert(!JSON.stringify(kept.rows).includes(secret), row.id)
  }
})

test('refused() writes the first of a kind at once and counts the rest, so that a flood is a few rows', async () => {
  const kept = createKept()
  const recorder = createRecorder({ store: kept, log: silent, now: () => 0 })
  for (let at = 0; at < 5000; at++) recorder.refused(wrongToken('192.0.2.1'))
  recorder.refused({ ...wrongToken('192.0.2.1'), actor, refusal: new Refusal(403, 'FORBIDDEN', 'Cannot') })
  for (let at = 0; at < 5000; at++) recorder.refused(wrongToken(`10.0.${at >> 8}.${at & 255}`))
  await recorder.close()
  assert(kept.rows.length <= 33, String(kept.rows.length))
  const [first] = kept.rows
  assert.deepEqual(first, {
    ...{ at: iso(0), actor: 'nobody', via: 'nobody', role: null, token: null, address: '192.0.2.1', action: 'sync', target: null },
    ...{ outcome: 'denied', detail: { method: 'POST', status: 401, code: 'UNAUTHORIZED', cid: 'c' }, event: null },
  })
  assert(kept.rows.some(row => row.actor === 'ci (abc)' && row.detail.code === 'FORBIDDEN'))
  const counted = kept.rows.reduce((sum, { detail }) => sum + Number(detail.more ?? 1), 0)
  assert.equal(counted, 10_001)
})

test('refused() counts the addresses of one IPv6 network as one', async () => {
  const kept = createKept()
  const recorder = createRecorder({ store: kept, log: silent })
  for (let at = 0; at < 1000; at++) recorder.refused(wrongToken(`2001:db8:1:2::${at.toString(16)}`))
  await recorder.close()
  assert.deepEqual(
    kept.rows.map(row => row.detail.more ?? 1),
    [1, 999],
  )
})

function wrongToken(address: string): Refused {
  const refusal = new Refusal(401, 'UNAUTHORIZED', 'Cannot')
  return { actor: null, address, claimed: null, row: rowOf('sync'), method: 'POST', refusal, cid: 'c' }
}

function rowOf(id: string): Row {
  const found = rows.find(row => row.id === id)
  assert(found)
  return found
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

/** Rows in memory. @param fails whether the nth append fails, as on a full disk */
function createKept(fails: (count: number) => boolean = () => false) {
  const kept: AuditEntry[] = []
  let count = 0
  return {
    rows: kept,
    async appendAudit(entry: AuditEntry) {
      if (fails(++count)) throw new Error('the disk is full')
      kept.push(entry)
      return { ...entry, seq: kept.length, prevHash: '', hash: '' }
    },
  }
}
