// What every implementation of the store promises of the audit.

import assert from 'node:assert'
import { test } from 'vitest'
import { type AuditEntry, anchorAction, hashOf, noHash } from '../../engine/store/audit.ts'
import type { Store } from '../../engine/store/port.ts'

/** @param open opens the store of the test that runs */
export function auditConformance(open: () => Promise<Store>): void {
  test('appendAudit() numbers rows without a gap and binds each to the one before, also when many come at once', async () => {
    await using store = await open()
    const rows = await Promise.all(
      Array.from({ length: 50 }, (_, at) => store.appendAudit(entryOf({ target: `größe ${at}\n`, detail: { at } }))),
    )
    assert.deepEqual(
      rows.map(row => row.seq),
      rows.map((_, at) => at + 1),
    )
    for (const [at, row] of rows.entries()) {
      assert.equal(row.prevHash, rows[at - 1]?.hash ?? noHash)
      assert.equal(row.hash, hashOf(row))
    }
    assert.deepEqual(await store.readAudit({ after: 0, limit: 100 }), rows)
  })

  test('appendAudit() of an event that has a row gives that row and appends none', async () => {
    await using store = await open()
    assert.equal(await store.lastAuditedEvent(), 0)
    const first = await store.appendAudit(entryOf({ event: 7 }))
    assert.deepEqual(await store.appendAudit(entryOf({ event: 7, actor: 'another' })), first)
    await store.appendAudit(entryOf({}))
    assert.equal(await store.lastAuditedEvent(), 7)
    assert.equal((await store.readAudit({ limit: 10 })).length, 2)
  })

  test('appendAudit() that fails leaves no gap', async () => {
    await using store = await open()
    const broken = entryOf({ actor: null as unknown as string }) // what no caller may send
    const settled = await Promise.allSettled([store.appendAudit(entryOf({})), store.appendAudit(broken), store.appendAudit(entryOf({}))])
    assert.deepEqual(
      settled.map(one => one.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    const [second, first] = await store.readAudit({ limit: 10 })
    assert.deepEqual([first?.seq, second?.seq, second?.prevHash], [1, 2, first?.hash])
  })

  test('readAudit() is newest first, or oldest first after a number, and takes filters', async () => {
    await using store = await open()
    await store.appendAudit(entryOf({ actor: 'ci (abc)', at: '2026-01-01T00:00:00.000Z', action: 'sync' }))
    await store.appendAudit(entryOf({ actor: 'cicero (abd)', at: '2026-01-02T00:00:00.000Z', outcome: 'denied' }))
    await store.appendAudit(entryOf({ actor: 'ci (abe)', at: '2026-01-03T00:00:00.000Z' }))
    for (const [query, expected] of [
      [{}, [3, 2, 1]],
      [{ limit: 2 }, [3, 2]],
      [{ before: 3 }, [2, 1]],
      [{ after: 1 }, [2, 3]],
      [{ actor: 'ci' }, [3, 1]],
      [{ actor: 'ci (abe)' }, [3]],
      [{ since: '2026-01-02T00:00:00.000Z' }, [3, 2]],
      [{ until: '2026-01-02T00:00:00.000Z' }, [1]],
      [{ action: 'sync' }, [1]],
      [{ outcome: 'denied' }, [2]],
      [{ actor: "' OR 1=1 --" }, []],
    ] as const)
      assert.deepEqual(
        (await store.readAudit({ limit: 10, ...query })).map(row => row.seq),
        expected,
        JSON.stringify(query),
      )
  })

  test('pruneAudit() removes what is old, and says in a row of the chain where the rest begins', async () => {
    await using store = await open()
    assert.equal(await store.pruneAudit('2999-01-01T00:00:00.000Z'), null)
    // One whose clock was wrong lies between.
    for (const year of [2020, 2021, 2020, 2026, 2020, 2026]) await store.appendAudit(entryOf({ at: `${year}-06-01T00:00:00.000Z` }))
    const third = (await store.readAudit({ limit: 10 })).find(row => row.seq === 3)
    const anchor = await store.pruneAudit('2022-01-01T00:00:00.000Z')
    assert.deepEqual([anchor?.action, anchor?.seq, anchor?.detail], [anchorAction, 7, { through: 3, hash: third?.hash, removed: 3 }])
    assert.deepEqual(
      (await store.readAudit({ limit: 10 })).map(row => row.seq),
      [7, 6, 5, 4],
    )
    assert.equal(await store.pruneAudit('2022-01-01T00:00:00.000Z'), null)
    assert.equal((await store.pruneAudit('2999-01-01T00:00:00.000Z'))?.detail.through, 6)
    assert.equal((await store.appendAudit(entryOf({}))).seq, 9)
  })
}

function entryOf(fields: Partial<AuditEntry>): AuditEntry {
  return {
    ...{ at: '2026-01-01T00:00:00.000Z', actor: 'Zoë', via: 'token', address: '192.0.2.1', role: 'admin', token: 'k3v9x0a4m2qd' },
    ...{ action: 'rollback', target: null, outcome: 'done', detail: {}, event: null },
    ...fields,
  }
}
