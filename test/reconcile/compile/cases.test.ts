// Whole estates on disk: `test/cases/<name>/tree/` is compiled, and what comes out, as people would read it, is `expected.txt`.
// `GOLDEN=write` writes that file anew; the difference is reviewed like code.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, test } from 'vitest'
import type { Compiled } from '../../../reconcile/compile/desired.ts'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import type { Issue, Position } from '../../../schema/issue.ts'
import type { Json } from '../../../schema/json.ts'
import { compileFiles } from './estate.ts'

const cases = join(import.meta.dirname, '../../cases')

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

for (const name of readdirSync(cases).sort()) {
  const tree = join(cases, name, 'tree')
  if (!existsSync(join(tree, 'environments'))) continue
  test(`compile() of the case "${name}" gives what is expected`, async () => {
    const compiled = await compileFiles(filesOf(tree), { documents, services: ['client.get', 'order.create'] })
    const file = join(cases, name, 'expected.txt')
    const text = print(compiled)
    if (process.env.GOLDEN === 'write') writeFileSync(file, text)
    assert.equal(text, readFileSync(file, 'utf8'))
    assert.doesNotMatch(text, /hunter2/)
  })
}

function filesOf(directory: string): Record<string, string> {
  const files: Record<string, string> = {}
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name)
      files[relative(directory, path)] = readFileSync(path, 'utf8')
    }
  return files
}

/** Issues, then each declared resource with what was written for it; defaults are left out, as they belong to the schema. */
function print({ desired, issues, explain }: Compiled): string {
  const lines = issues.map(printIssue)
  if (!desired) lines.push('no desired state')
  for (const { ref, refs, closed, kind, spec } of [...(desired?.resources.values() ?? [])].sort((one, other) =>
    one.ref < other.ref ? -1 : 1,
  )) {
    if (kind === 'service') continue
    lines.push('', closed === null ? ref : `${ref}  closed: ${closed}`)
    for (const { pointer, value, from } of explain(ref) ?? []) {
      if (from.kind === 'default') continue
      const by = from.variables.length > 0 ? `  ${from.variables.join(' ')}` : ''
      lines.push(`  ${pointer.slice(1)}: ${JSON.stringify(hasReference(spec, pointer) ?? value)}  ${place(from.at)}${by}`)
    }
    for (const target of refs) lines.push(`  → ${target}`)
  }
  return `${lines.join('\n').trimStart()}\n`
}

/** The reference that stands for a secret at the top of the spec. */
function hasReference(spec: Readonly<Record<string, Json>>, pointer: string): Json | undefined {
  const value = spec[pointer.slice(1)]
  return typeof value === 'string' && value.includes('${{') ? value : undefined
}

function printIssue({ severity, code, message, at, related = [] }: Issue): string {
  const places = related.map(other => `  (${other.message} ${place(other.at)})`)
  return `${severity} ${code} ${at ? place(at) : ''}${places.join('')}\n  ${message}`
}

function place({ path, line, column }: Position): string {
  return `${path.replace('environments/', '')}:${line}:${column}`
}
