import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'vitest'
import type * as adapters from '../../../adapters/rest-client.ts'
import { isService, type RestClient, type RestRequest, service } from '../../../engine/service/sdk.ts'

const checkout = fileURLToPath(new URL('../../..', import.meta.url))
const environment = `import 'plumb-server'
declare module 'plumb-server' {
  interface Connections { sql: 'Billing' | 'Ledger'; rest: 'CRM' }
  interface Services { 'client.get': { input: { id: number }; output: { name: string } } }
}`
const inHandler = (body: string) =>
  `import { service } from 'plumb-server'\nexport const a = service({ name: 'a', async handle(_: { n: number }, ctx) { ${body} } })`

for (const [what, body, fits] of [
  ['a declared connection', "return (await ctx.sql('Billing').query('select 1')).rows", true],
  ['a client taken out of ctx', "const { rest } = ctx; return (await rest('CRM').get<{ n: number }>()).body.n", true],
  ['a misspelt connection', "ctx.sql('Bilings')", false],
  ['a connection of a kind nobody declared', "ctx.redis('default')", false],
  ['a service with its payload', "return (await ctx.invoke('client.get', { id: 1 })).name.length", true],
  ['a service with a wrong payload', "await ctx.invoke('client.get', { name: 'x' })", false],
  ['a service that is not there', "await ctx.invoke('client.got', { id: 1 })", false],
] as const)
  test(`environment.d.ts ${fits ? 'takes' : 'refuses'} ${what}`, async () => {
    const root = await mkdtemp(join(tmpdir(), 'plumb-sdk-'))
    try {
      await mkdir(join(root, 'node_modules'))
      await symlink(checkout, join(root, 'node_modules/plumb-server'))
      await writeFile(join(root, 'environment.d.ts'), environment)
      await writeFile(join(root, 'a.ts'), inHandler(body))
      const compilerOptions = {
        strict: true,
        module: 'nodenext',
        target: 'es2024',
        noEmit: true,
        skipLibCheck: true,
        types: [],
        customConditions: ['plumb-source'],
        allowImportingTsExtensions: true,
      }
      await writeFile(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['a.ts', 'environment.d.ts'] }))
      const found = spawnSync(process.execPath, [join(checkout, 'node_modules/typescript-7/bin/tsc'), '-p', root], { encoding: 'utf8' })
      assert.equal(found.status === 0, fits, found.stdout)
      if (!fits) assert.match(found.stdout, /a\.ts\(2,\d+\): error/)
    } finally {
      await rm(root, { recursive: true })
    }
  })

type Same<A, B> = [A, B] extends [B, A] ? true : false

test('the REST client of the SDK is the one the adapter makes', () => {
  const same: [Same<RestClient, adapters.RestClient>, Same<RestRequest, adapters.RestRequest>] = [true, true]
  assert.deepEqual(same, [true, true])
})

for (const [deadline, ms] of [
  ['500ms', 500],
  ['5s', 5_000],
  ['1.5m', 90_000],
  ['1h', 3_600_000],
] as const)
  test(`service() reads the deadline ${deadline} as ${ms} ms`, () => {
    assert.equal(service({ name: 'a', deadline, handle: () => null }).deadlineMs, ms)
  })

test('service() without a deadline has none, and cannot be changed', () => {
  const made = service({ name: 'a', handle: () => null })
  assert.equal(made.deadlineMs, null)
  assert.ok(isService(made) && Object.isFrozen(made))
  assert.equal(isService({ name: 'a', handle: () => null }), false)
})

// Code that was never type-checked comes here too.
const unchecked = service as unknown as (definition: unknown) => unknown
for (const [what, definition, said] of [
  ['no name', { handle: () => null }, /it has no name/],
  ['no handler', { name: 'a' }, /"a" as it has no `handle`/],
  ['a deadline that is none', { name: 'a', deadline: 'soon', handle: () => null }, /its deadline is "soon"/],
  ['a deadline of nothing', { name: 'a', deadline: '0s', handle: () => null }, /its deadline is "0s"/],
] as const)
  test(`service() with ${what} is refused`, () => assert.throws(() => unchecked(definition), said))
