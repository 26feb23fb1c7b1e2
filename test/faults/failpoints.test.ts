import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'
import { failpoints } from './failpoints.ts'

const root = join(import.meta.dirname, '..', '..')
const calls = globSync('{schema,adapters,engine,reconcile,cli}/**/*.ts', { cwd: root }).flatMap(path =>
  [...readFileSync(join(root, path), 'utf8').matchAll(/\bfailpoint\('([^']*)'\)/g)].map(([, name]) => name),
)

test('every failpoint of the source is in the table, once, and every one of the table in the source', () => {
  assert.deepEqual(calls.toSorted(), Object.keys(failpoints).toSorted())
})

const script =
  "import('#failpoint').then(({ failpoint }) => { process.title = 'plumb worker 1'; failpoint('swap.before'); console.log('passed') })"

function run(rules: string, condition: string[] = ['--conditions=failpoints']): string {
  try {
    return execFileSync(process.execPath, [...condition, '--input-type=module', '-e', script], {
      cwd: root,
      env: { ...process.env, FAILPOINTS: rules },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  } catch (error) {
    const { signal, stderr } = error as { signal: string | null; stderr: string } // execFileSync throws it with the outcome
    return signal ?? /Error: (.*)/.exec(stderr)?.[1] ?? stderr
  }
}

for (const [rules, outcome] of [
  ['', 'passed'],
  ['swap.after=kill', 'passed'],
  ['swap.before=kill', 'SIGKILL'],
  ['worker:swap.before=kill', 'SIGKILL'],
  ['control:swap.before=kill', 'passed'],
  ['@/nowhere/rules', 'passed'],
  ['swap.before=throw', 'Failpoint "swap.before" was told to throw'],
] as const)
  test(`failpoint() under FAILPOINTS="${rules}" is ${outcome}`, () => assert.equal(run(rules), outcome))

test('failpoint() does nothing without --conditions=failpoints', () => assert.equal(run('swap.before=kill', []), 'passed'))
