// What every implementation of the store promises of the tokens of the admin API.

import assert from 'node:assert'
import { test } from 'vitest'
import type { Store } from '../../engine/store/port.ts'
import type { TokenRow } from '../../engine/store/tokens.ts'

/** @param open opens the store of the test that runs */
export function tokenConformance(open: () => Promise<Store>): void {
  test('insertToken() keeps the first row of an id, and listTokens() gives what was put in, oldest first', async () => {
    await using store = await open()
    const [first, second] = [
      tokenOf('b', { scopes: ['read', 'plan'], expiresAt: null }),
      tokenOf('a', { createdAt: '2026-01-02T00:00:00.000Z' }),
    ]
    assert.deepEqual([await store.insertToken(second), await store.insertToken(first)], [true, true])
    assert.equal(await store.insertToken({ ...first, name: 'another' }), false)
    assert.deepEqual(await store.listTokens(), [first, second])
  })

  test('insertToken() redeems a setting for exactly one of many, and only while it has the value that was seen', async () => {
    await using store = await open()
    await store.putSetting('first', 'v1')
    assert.equal(await store.insertToken(tokenOf('early'), { key: 'first', value: 'v0' }), false)
    const redeemed = await Promise.all(['a', 'b', 'c', 'd'].map(id => store.insertToken(tokenOf(id), { key: 'first', value: 'v1' })))
    assert.equal(redeemed.filter(Boolean).length, 1)
    assert.equal((await store.listTokens()).length, 1)
    assert.equal(await store.getSetting('first'), undefined)
  })

  test('insertToken() leaves the setting where its row cannot be put in', async () => {
    await using store = await open()
    await store.insertToken(tokenOf('a'))
    await store.putSetting('first', 'v1')
    await assert.rejects(store.insertToken(tokenOf('a'), { key: 'first', value: 'v1' }))
    assert.equal(await store.getSetting('first'), 'v1')
  })

  test('revokeToken() ends a token once, and touchToken() notes its use', async () => {
    await using store = await open()
    await store.insertToken(tokenOf('a'))
    await store.touchToken('a', '2026-01-03T00:00:00.000Z')
    assert.equal(await store.revokeToken('a', '2026-01-04T00:00:00.000Z'), true)
    assert.equal(await store.revokeToken('a', '2026-01-05T00:00:00.000Z'), false)
    assert.equal(await store.revokeToken('none', '2026-01-05T00:00:00.000Z'), false)
    const [row] = await store.listTokens()
    assert.deepEqual([row?.lastUsedAt, row?.revokedAt], ['2026-01-03T00:00:00.000Z', '2026-01-04T00:00:00.000Z'])
  })

  test('prune() removes tokens that were over before, and no other', async () => {
    await using store = await open()
    await store.insertToken(tokenOf('eternal', { expiresAt: null }))
    await store.insertToken(tokenOf('live', { expiresAt: '2999-01-01T00:00:00.000Z' }))
    await store.insertToken(tokenOf('expired', { expiresAt: '2026-01-02T00:00:00.000Z' }))
    await store.insertToken(tokenOf('revoked', { expiresAt: null, revokedAt: '2026-01-02T00:00:00.000Z' }))
    await store.prune('2026-01-02T00:00:00.000Z')
    assert.equal((await store.listTokens()).length, 4)
    await store.prune('2026-06-01T00:00:00.000Z')
    assert.deepEqual(
      (await store.listTokens()).map(row => row.id),
      ['eternal', 'live'],
    )
  })
}

function tokenOf(id: string, fields: Partial<TokenRow> = {}): TokenRow {
  return {
    ...{ id, name: 'ci', role: 'deployer', scopes: [], digest: '0'.repeat(64), environment: 'dev', createdBy: 'Zoë' },
    ...{ createdAt: '2026-01-01T00:00:00.000Z', expiresAt: '2026-04-01T00:00:00.000Z', lastUsedAt: null, revokedAt: null },
    ...fields,
  }
}
