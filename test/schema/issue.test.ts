import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'vitest'
import { hasErrors, issue, issueCodes } from '../../schema/issue.ts'

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map(section => [section.slice(0, section.indexOf('\n')).trim(), section.slice(section.indexOf('\n')).trim()] as const),
)

test('docs/errors.md has one heading for each issue code, and no other', () => {
  assert.deepEqual([...sections.keys()], [...sections.keys()].sort())
  assert.deepEqual([...sections.keys()], Object.keys(issueCodes).sort())
  assert.equal(page.match(/^## /gm)?.length, sections.size)
})

for (const [code, text] of sections) test(`docs/errors.md explains ${code}`, () => assert(text.split(/\s+/).length >= 15, `only: ${text}`))

test('issue() takes the severity of its code unless a rule raises it', () => {
  assert.equal(issue('FIELD_NOT_SERVED', 'x').severity, 'warning')
  const raised = issue('FIELD_NOT_SERVED', 'x', { severity: 'error', pointer: '/a' })
  assert.deepEqual(raised, { code: 'FIELD_NOT_SERVED', severity: 'error', message: 'x', pointer: '/a' })
  assert.deepEqual([hasErrors([issue('FIELD_NOT_SERVED', 'x')]), hasErrors([raised])], [false, true])
})
