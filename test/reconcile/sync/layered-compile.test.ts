// Whose a resource is where deployed files lie over a commit, and when they give way to it.

import assert from 'node:assert/strict'
import { test } from 'vitest'
import type { Layer } from '../../../engine/store/layers.ts'
import type { LayeredTree } from '../../../reconcile/source/layered.ts'
import type { Tree } from '../../../reconcile/source/tree.ts'
import { uploadTree } from '../../../reconcile/source/upload.ts'
import { createLayeredCompile } from '../../../reconcile/sync/layered-compile.ts'
import { revision } from '../../../schema/ref.ts'
import { compileEstate, type Estate } from './setup.ts'

const path = 'environments/dev/estate.json'
const layer: Layer = {
  path,
  digest: 'd'.repeat(64),
  blob: 'b'.repeat(40),
  bytes: 1,
  base: 'a'.repeat(40),
  by: 'ada',
  at: '2026-01-01T00:00:00.000Z',
  deploy: 'one',
  client: 'copy',
}
const commit = revision('1'.repeat(40))
const treeOf = (estate: Estate): Tree => ({ ...uploadTree([{ path, bytes: Buffer.from(JSON.stringify(estate)) }]), revision: commit })
const over = (base: Estate, deployed: Estate): LayeredTree => ({
  ...treeOf(deployed),
  revision: revision(`${commit}+${'0'.repeat(12)}`),
  base: treeOf(base),
  layers: [layer],
})

function compiling() {
  const gaveWay: string[] = []
  const { compile, candidate } = createLayeredCompile({
    compile: compileEstate,
    source: { giveWay: (_revision, _layers, why) => void gaveWay.push(why) },
    inputs: async () => '',
  })
  return { compile, candidate, gaveWay }
}

const settings = { mode: 'live' } as const

test('compile() says what deployed files add and what they change, and by whom', async () => {
  const base = { settings, resources: { 'sql/same': {}, 'sql/changed': { spec: { host: 'a' } } } }
  const deployed = { settings, resources: { 'sql/same': {}, 'sql/changed': { spec: { host: 'b' } }, 'sql/added': {} } }
  const { compile, gaveWay } = compiling()
  const found = (await compile(over(base, deployed))).deployed
  assert.deepEqual([...(found?.added ?? [])], ['sql/added'])
  assert.deepEqual(
    [...(found?.layered ?? [])].map(([ref, { by }]) => [ref, by]),
    [
      ['sql/changed', 'ada'],
      ['sql/added', 'ada'],
    ],
  )
  assert.deepEqual(gaveWay, [])
})

for (const [what, base, deployed, givesWay] of [
  ['both can be used', { settings }, { settings }, false],
  ['the commit alone can be used', { settings }, { settings, broken: 'no' }, true],
  ['neither can be used', { settings, broken: 'no' }, { settings, broken: 'no' }, false],
  ['the files mend the commit', { settings, broken: 'no' }, { settings }, false],
  ['the commit says mode: git', { settings: { mode: 'git' } }, { settings }, true],
] as const satisfies readonly (readonly [string, Estate, Estate, boolean])[])
  test(`compile() lets files ${givesWay ? 'give way' : 'stay'} where ${what}`, async () => {
    const { compile, gaveWay } = compiling()
    const { desired } = await compile(over(base, deployed))
    assert.equal(gaveWay.length, givesWay ? 1 : 0)
    if (givesWay) assert.equal(desired?.revision, commit)
  })

test('candidate() never lets files give way: what is wrong with them is told', async () => {
  const { candidate, gaveWay } = compiling()
  const { desired, issues } = await candidate(over({ settings }, { settings, broken: 'no' }))
  assert.deepEqual([desired, issues.map(({ code }) => code), gaveWay], [null, ['YAML_SYNTAX'], []])
})
