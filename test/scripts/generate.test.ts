import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'vitest'
import { generate } from '../../scripts/generate.ts'

const root = new URL('../../', import.meta.url)

test('generated files are what the schemas give', async () => {
  const files = await generate()
  for (const [path, text] of files) assert.equal(readFileSync(new URL(path, root), 'utf8'), text, `${path}: run node scripts/generate.ts`)
  const there = readdirSync(new URL('schema/generated/', root)).map(name => `schema/generated/${name}`)
  assert.deepEqual(there.sort(), [...files.keys()].filter(path => path.startsWith('schema/')).sort())
})
