// Who may call what, as a table that is checked in: every route of the code is really called with every kind of credential, and the
// answers are compared with matrix.txt. `make golden` writes that file anew; its difference is reviewed like code.

import assert from 'node:assert'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { roles } from '../../../engine/admin/role.ts'
import type { Row } from '../../../engine/admin/route.ts'
import { rows } from '../../../engine/admin/routes.ts'
import { type Scope, scopes } from '../../../engine/admin/scope.ts'
import { openTokens, type Tokens } from '../../../engine/admin/tokens.ts'
import type { Store } from '../../../engine/store/port.ts'
import { openSqliteStore } from '../../../engine/store/sqlite.ts'
import { temporaryDirectory } from '../../directory.ts'
import { local, silent, startServer, type TestServer } from './server.ts'

const golden = join(import.meta.dirname, 'matrix.txt')
const header = `# Who may call what. "yes": the credential is good for the route; else the status of the refusal.
#   none     no token                                 expired, revoked, foreign   tokens of an admin that are over, or of another environment
#   first    the token of the first start             others    an admin's token for every scope but the route's
#   socket   the socket, without a token              own       an admin's token for the route's scope alone
# A new route needs a row here: state its role and scope in the code, run make golden, and review the difference.
`
const columns = ['none', 'first', 'expired', 'revoked', 'foreign', ...roles, 'socket', 'others', 'own'] as const
type Column = (typeof columns)[number]

/** What a route's path is called with. */
const samples: Readonly<Record<string, string>> = { environment: 'dev', id: 'x1', ref: 'sql/a', worker: '1', job: 'j1' }

describe('the authorization matrix', () => {
  const held: { server?: TestServer; store?: Store; tokens?: Tokens; close?: () => Promise<void>; over?: Agent } = {}
  const presented = new Map<string, string>()

  beforeAll(async () => {
    const directory = await temporaryDirectory()
    const store = await openSqliteStore(join(directory.path, 'plumb.db'))
    const clock = { ms: Date.now() }
    const options = { makesFirst: false, log: silent, now: () => clock.ms }
    const admin = { name: 'a', role: 'admin', scopes: [], expires: '1d' } as const
    presented.set('foreign', (await (await openTokens(store, { ...options, environment: 'prod' })).create(admin, local)).token)
    const tokens = await openTokens(store, { ...options, environment: 'dev' })
    presented.set('expired', (await tokens.create({ ...admin, expires: '1m' }, local)).token)
    clock.ms += 60_000
    const revoked = await tokens.create(admin, local)
    await tokens.revoke(revoked.id, local)
    presented.set('revoked', revoked.token)
    for (const role of roles) presented.set(role, (await tokens.create({ ...admin, role }, local)).token)
    for (const scope of scopes) {
      presented.set(`own ${scope}`, (await tokens.create({ ...admin, scopes: [scope] }, local)).token)
      const others = scopes.filter(other => other !== scope)
      presented.set(`others ${scope}`, (await tokens.create({ ...admin, scopes: others }, local)).token)
    }
    // Nobody waits here, as all come from one address.
    const server = await startServer({ tokens, attempts: { failed: () => 0 } }, store)
    const over = new Agent({ connect: { socketPath: server.socketPath } })
    Object.assign(held, { server, store, tokens, over })
    held.close = async () => {
      await over.destroy()
      await server[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    }
  })
  afterAll(() => held.close?.())

  test('is the one that is checked in', async () => {
    const lines: string[][] = [['METHOD', 'PATH', 'ROLE', 'SCOPE', ...columns]]
    for (const row of [...rows].sort(byPath)) {
      const cells: string[] = []
      for (const column of columns) cells.push(cellOf(await statusOf(row, row.method, column)))
      lines.push([row.method, row.path, row.role ?? 'open', row.scope ?? '-', ...cells])
    }
    const found = header + table(lines)
    if (process.env.GOLDEN === 'write') return writeFileSync(golden, found)
    const expected = readFileSync(golden, 'utf8')
    const known = new Set(expected.split('\n'))
    const news = found.split('\n').filter(line => !known.has(line))
    assert.equal(
      found,
      expected,
      `These rows are not those of test/engine/admin/matrix.txt:\n${news.join('\n')}\nIf they are as they should be: make golden, and review the difference`,
    )
  })

  test('has no other verb: what is not in the table is 405 for an admin, and 401 without a token', async () => {
    for (const path of new Set(rows.map(row => row.path)))
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const) {
        const row = rows.find(one => one.path === path)
        assert(row)
        if (rows.some(one => matches(one.path, path) && one.method === method)) continue
        assert.equal(await statusOf(row, method, 'admin'), 405, `${method} ${path}`)
        assert.equal(await statusOf(row, method, 'none'), 401, `${method} ${path}`)
      }
  })

  test('has every scope in use, but for those whose routes are to come', () => {
    const used = new Set(rows.map(row => row.scope))
    for (const scope of ['read', 'invoke', 'plan', 'apply', 'sync', 'rollback', 'tokens', 'audit'] as const) assert(used.has(scope), scope)
    for (const row of rows)
      assert(
        row.scope !== null || row.role === null || row.role === 'viewer' || row.role === 'first',
        `${row.id} changes something without a scope`,
      )
  })

  async function statusOf(row: Row, method: Row['method'] | 'PUT' | 'PATCH', column: Column): Promise<number> {
    const { server, tokens, over } = held
    assert(server && tokens && over)
    const token = await tokenOf(column, row.scope, tokens)
    const hasBody = method !== 'GET' && row.body !== undefined
    const answer = await request(`${server.url}${pathOf(row)}`, {
      method,
      ...(column === 'socket' ? { dispatcher: over } : {}),
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(hasBody ? { 'content-type': 'application/json' } : {}),
      },
      ...(hasBody ? { body: '{}' } : {}),
    })
    if (answer.headers['content-type'] === 'text/event-stream') answer.body.on('error', () => undefined).destroy()
    else await answer.body.dump()
    return answer.statusCode
  }

  async function tokenOf(column: Column, scope: Scope | null, tokens: Tokens): Promise<string | null> {
    if (column === 'none' || column === 'socket') return null
    // Used up by the one route that takes it.
    if (column === 'first') return await tokens.resetFirst(local)
    const found = presented.get(column === 'own' || column === 'others' ? `${column} ${scope ?? 'read'}` : column)
    assert(found, column)
    return found
  }
})

function cellOf(status: number): string {
  assert.notEqual(status, 429)
  return status === 401 || status === 403 ? String(status) : 'yes'
}

function pathOf({ path }: Row): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const sample = samples[name]
    assert(sample !== undefined, `Add a sample of the path parameter {${name}} to test/engine/admin/matrix.test.ts`)
    return sample
  })
}

/** Whether a request for the sample of `path` is one for `pattern` as well: `/tokens/first` is also `/tokens/{id}`. */
function matches(pattern: string, path: string): boolean {
  return new RegExp(`^${pattern.replaceAll(/\{ref\}/g, '.+').replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path)
}

function byPath(a: Row, b: Row): number {
  return a.path.localeCompare(b.path, 'en') || a.method.localeCompare(b.method, 'en')
}

function table(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, at) => Math.max(...lines.map(line => line[at]?.length ?? 0)))
  return lines
    .map(
      line =>
        `${line
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
