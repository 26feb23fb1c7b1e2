import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cruise, getAvailableTranspilers, type ICruiseOptions, type ICruiseResult } from 'dependency-cruiser'
import { test } from 'vitest'
import { temporaryDirectory } from '../directory.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const floors = ['schema', 'adapters', 'engine', 'reconcile', 'cli', 'services']

for (const [what, files, expected] of [
  [
    'an import upward',
    { 'schema/a.ts': "import { b } from '../engine/b.ts'\nb()", 'engine/b.ts': 'export const b = () => 1' },
    'schema-is-the-lowest-floor schema/a.ts → engine/b.ts',
  ],
  [
    'a type imported upward',
    { 'engine/a.ts': "import type { B } from '../cli/b.ts'\nexport type A = B", 'cli/b.ts': 'export interface B {}' },
    'engine-knows-adapters-and-schema engine/a.ts → cli/b.ts',
  ],
  [
    'a cycle',
    {
      'cli/a.ts': "import { b } from './b.ts'\nexport const a = () => b()",
      'cli/b.ts': "import { a } from './a.ts'\nexport const b = () => a()",
    },
    'cycle cli/a.ts → cli/b.ts',
  ],
  [
    'a cycle of types',
    {
      'cli/a.ts': "import type { B } from './b.ts'\nexport interface A { b: B }",
      'cli/b.ts': "import type { A } from './a.ts'\nexport interface B { a: A }",
    },
    'cycle cli/a.ts → cli/b.ts',
  ],
  [
    'an import of a test',
    { 'engine/a.ts': "import { b } from '../test/b.ts'\nb()", 'test/b.ts': 'export const b = () => 1' },
    'nothing-imports-tests engine/a.ts → test/b.ts',
  ],
  [
    'a service that reaches into the server',
    { 'services/a.ts': "import { b } from '../engine/b.ts'\nb()", 'engine/b.ts': 'export const b = () => 1' },
    'services-are-user-code services/a.ts → engine/b.ts',
  ],
  ['an import that leads nowhere', { 'engine/a.ts': "import { b } from './b.ts'\nb()" }, 'resolves engine/a.ts → ./b.ts'],
] as const) {
  test(`the floors checker finds ${what}`, async () => {
    await using directory = await temporaryDirectory()
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(directory.path, path)), { recursive: true })
      await writeFile(join(directory.path, path), text)
    }
    const top = new Set(Object.keys(files).map(path => path.split('/')[0] ?? ''))
    const found = await check(
      directory.path,
      [...top].filter(folder => folder !== 'test'),
    )
    assert.deepEqual(violationsOf(found).slice(0, 1), [expected])
  })
}

test('dependency-cruiser reads TypeScript by TypeScript 6', () => {
  // With 7 installed it reads no .ts file and finds nothing wrong.
  const typescript = getAvailableTranspilers().find(({ name }) => name === 'typescript')
  assert.equal(typescript?.available, true)
  assert.match(typescript.currentVersion, /^typescript@6\./)
})

test('imports go down or stay in their folder, and never round', async () => {
  const found = await check(root, floors)
  assert(found.summary.totalCruised > 50, `only ${found.summary.totalCruised} modules were read`)
  assert((found.summary.totalDependenciesCruised ?? 0) > 200, `only ${found.summary.totalDependenciesCruised} imports were read`)
  assert.deepEqual(violationsOf(found), [])
})

async function check(baseDir: string, folders: readonly string[]): Promise<ICruiseResult> {
  const { forbidden, options } = JSON.parse(await readFile(join(root, '.dependency-cruiser.json'), 'utf8'))
  const { tsConfig: _, ...others } = options as ICruiseOptions // its schema is the library's own
  const { output } = await cruise([...folders], { ...others, baseDir, ruleSet: { forbidden }, validate: true })
  assert(typeof output === 'object')
  return output
}

function violationsOf({ summary }: ICruiseResult): string[] {
  return summary.violations.map(({ rule, from, to }) => `${rule.name} ${from} → ${to}`)
}
