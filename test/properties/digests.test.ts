// Property 4 of the design: the same revision, variables and environment give the same spec digests on every machine, the same secrets
// the same secret digests wherever the key is shared, and what is only written differently is no change.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { afterAll, test } from 'vitest'
import { DocumentCache } from '../../reconcile/compile/document-cache.ts'
import { createSecrets } from '../../reconcile/compile/secrets.ts'
import { compileFiles } from '../reconcile/compile/estate.ts'
import { filesOf, type Layout, layout, plainLayout, type Resources, resources } from './estates.ts'
import { plainSecrets, type SecretValues } from './server.ts'

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

interface Machine {
  readonly layout?: Layout
  readonly values?: SecretValues
  readonly key?: number | null
  readonly host?: string
  readonly env?: Readonly<Record<string, string>>
}

/** What one machine makes of an estate: ref → digest, of each sort. */
async function digestsOn(estate: Resources, { layout: written = plainLayout, values = plainSecrets, key = 7, host, env = {} }: Machine) {
  const named = Object.fromEntries(Object.entries(values).map(([name, value]) => [`S_${name.toUpperCase()}`, value]))
  const { desired, issues } = await compileFiles(filesOf(estate, written, host), {
    documents,
    services: ['client.get', 'client.list'],
    secrets: createSecrets({ ...env, ...named }),
    env,
    keys: key === null ? null : { digestKey: Buffer.alloc(32, key) },
  })
  assert.ok(desired, JSON.stringify(issues))
  const all = [...desired.resources.values()].sort((one, other) => (one.ref < other.ref ? -1 : 1))
  const each = <Field extends 'specDigest' | 'secretDigest' | 'effectiveDigest' | 'instanceKey'>(field: Field) =>
    Object.fromEntries(all.map(resource => [resource.ref, resource[field]]))
  return {
    spec: each('specDigest'),
    secret: each('secretDigest'),
    effective: each('effectiveDigest'),
    instance: each('instanceKey'),
    whole: desired.digest,
  }
}

test('two machines agree, however the files are laid out and whatever else is in their environment', async () => {
  await fc.assert(
    fc.asyncProperty(
      resources,
      layout,
      layout,
      fc.dictionary(fc.stringMatching(/^[A-RT-Z_]{1,8}$/), fc.string()),
      async (estate, one, other, env) => {
        assert.deepEqual(await digestsOn(estate, { layout: one }), await digestsOn(estate, { layout: other, env }))
      },
    ),
    { numRuns: 60 },
  )
})

test('spec digests need no key and no secret; secret digests are equal under one key and different under two', async () => {
  await fc.assert(
    fc.asyncProperty(
      resources,
      fc.record({ alpha: fc.string({ minLength: 1 }), beta: fc.string({ minLength: 1 }), gamma: fc.string({ minLength: 1 }) }),
      async (estate, values) => {
        const [mine, sharing, foreign, keyless] = await Promise.all([
          digestsOn(estate, { values }),
          digestsOn(estate, { values }),
          digestsOn(estate, { values, key: 8 }),
          digestsOn(estate, { values, key: null }),
        ])
        assert.deepEqual(mine, sharing)
        for (const other of [foreign, keyless, await digestsOn(estate, {})]) assert.deepEqual(other.spec, mine.spec)
        for (const [ref, digest] of Object.entries(mine.secret)) {
          assert.equal(keyless.secret[ref], null)
          if (digest !== null) assert.notEqual(foreign.secret[ref], digest)
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('a variable that changes shows in the digests of what uses it, and in no other', async () => {
  await fc.assert(
    fc.asyncProperty(resources, async estate => {
      const [before, after] = [await digestsOn(estate, {}), await digestsOn(estate, { host: 'h4.example.com' })]
      const users = new Set(
        Object.entries(estate).flatMap(([section, items]) =>
          items.filter(item => JSON.stringify(item).includes('vars.host')).map(({ name }) => `${section}/${name}`),
        ),
      )
      for (const [ref, digest] of Object.entries(before.spec)) assert.equal(after.spec[ref] !== digest, users.has(ref), ref)
    }),
    { numRuns: 60 },
  )
})
