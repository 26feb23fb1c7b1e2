// Property 7 of the design: one bad resource among good ones is named with its file and line, and the good ones are not blamed.
// Property 5 beside it: what is said of an estate, good or bad, holds no secret.

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { afterAll, beforeAll, test } from 'vitest'
import { DocumentCache } from '../../reconcile/compile/document-cache.ts'
import { markdownPlan } from '../../reconcile/plan/markdown.ts'
import { printPlan } from '../../reconcile/plan/print.ts'
import { parseRef } from '../../schema/ref.ts'
import { filesOf, layout, resources } from './estates.ts'
import { compiled, openServer } from './server.ts'

const documents = new DocumentCache({ directory: null })
let server: Awaited<ReturnType<typeof openServer>>
beforeAll(async () => {
  server = await openServer()
})
afterAll(async () => {
  await documents[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** Code → a bad item, on one line, in a section of its own. */
const mistakes = {
  UNKNOWN_SECTION: 'redsi: [{ name: bad, host: h }]',
  UNKNOWN_FIELD: 'redis: [{ name: bad, host: h, hots: h }]',
  MISSING_FIELD: 'redis: [{ name: bad }]',
  WRONG_TYPE: 'redis: [{ name: bad, host: h, port: [1] }]',
  INVALID_VALUE: 'sql: [{ name: bad, type: oracel, host: h, port: 1, db_name: d, username: u }]',
  UNRESOLVED_REF: 'channel_rest: [{ name: bad, service: client.gte, url_path: /bad, public: true }]',
  MISSING_VARIABLE: "redis: [{ name: bad, host: '${{ vars.hots }}' }]",
  MISSING_SECRET: "redis: [{ name: bad, host: h, password: '${{ secrets.alhpa }}' }]",
  SECRET_TYPE: "redis: [{ name: bad, host: h, port: '${{ secrets.alpha }}' }]",
  ENV_NOT_ALLOWED: "redis: [{ name: bad, host: '${{ env.HOME }}' }]",
  DUPLICATE_KEY: 'redis: [{ name: bad, host: h, host: i }]',
  DUPLICATE_NAME: 'redis: [{ name: bad, host: h }, { name: bad, host: i }]',
  FORBIDDEN_KEY: 'redis: [{ name: bad, host: h, __proto__: x }]',
  YAML_SYNTAX: 'redis: [{ name: bad, host: h',
  YAML_TAG: 'redis: [{ name: bad, host: !!js/function h }]',
} as const
const mistake = fc.constantFrom(...(Object.keys(mistakes) as (keyof typeof mistakes)[])) // the keys of a literal

test('one bad resource is named with its file and line, and nothing else is blamed', async () => {
  await fc.assert(
    fc.asyncProperty(resources, layout, mistake, fc.nat(20), async (estate, written, code, above) => {
      const path = 'environments/dev/more/bad.yaml'
      const files = { ...filesOf(estate, written), [path]: `${'# above\n'.repeat(above)}${mistakes[code]}\n` }
      const { desired, issues } = await compiled(files, documents)
      assert.equal(desired, null)
      const errors = issues.filter(({ severity }) => severity === 'error')
      assert.deepEqual([...new Set(errors.map(one => one.at?.path))], [path], JSON.stringify(errors))
      const found = errors.find(one => one.code === code)
      assert.ok(found, JSON.stringify(errors))
      // What has no end is noticed where the file ends.
      assert.equal(found.at?.line, above + (code === 'YAML_SYNTAX' ? 2 : 1), JSON.stringify(found))
      assert.match(found.message, /^Cannot .* as .*[;:?]/)
    }),
    { numRuns: 150 },
  )
})

// Four characters at least, as less is found in any text, and nothing that the estates themselves hold.
const value = fc.string({ minLength: 4, maxLength: 40, unit: 'binary' }).map(text => `\u00a7${text}\u00a7`)
const values = fc.record({ alpha: value, beta: value, gamma: value })

test('no plan and no issue holds a secret, whatever it is, in any of its spellings', async () => {
  await fc.assert(
    fc.asyncProperty(resources, resources, values, values, fc.option(mistake), async (one, other, before, after, code) => {
      const { goLive, propose, live } = server.fresh()
      await goLive(await compiled(filesOf(one), documents, before))
      const bad: Record<string, string> = code === null ? {} : { 'environments/dev/bad.yaml': `${mistakes[code]}\n` }
      const next = await compiled({ ...filesOf(other), ...bad }, documents, after)
      const proposal = await propose(next, 'plan')
      const said = [JSON.stringify(proposal), JSON.stringify(next.issues)]
      if ('plan' in proposal) said.push(printPlan(proposal.plan), printPlan(proposal.plan, { colour: true }), markdownPlan(proposal.plan))
      for (const ref of next.desired?.resources.keys() ?? []) said.push(JSON.stringify(next.explain(parseRef(ref)) ?? null))
      said.push(JSON.stringify([...live().entries.values()]), JSON.stringify(await server.store.listPlans(5)))
      for (const secret of [...Object.values(before), ...Object.values(after)])
        for (const spelled of spellingsOf(secret)) for (const text of said) assert.ok(!text.includes(spelled), `${spelled} in ${text}`)
    }),
    { numRuns: 60 },
  )
})

function spellingsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('base64'),
    bytes.toString('hex'),
    encodeURIComponent(secret.toWellFormed()),
  ]
}
