import assert from 'node:assert/strict'
import { test } from 'vitest'
import { readTestFile } from '../../../cli/kit/test-file.ts'

const read = (text: string) => readTestFile('services/a.test.yaml', Buffer.from(text))

test('a list of cases is read, each with its place', () => {
  const { cases, issues, positionOf } = read(`# Comment
- name: one
  request: { method: GET, path: /a }
  expect: { status: 200, body: { list: [1, null] } }
- name: two
  request: { method: POST, path: /b, body: null }
  expect:
    status: 404
`)
  assert.deepEqual(issues, [])
  assert.deepEqual(
    cases.map(({ testCase, at }) => [testCase.name, at.line, at.column]),
    [
      ['one', 2, 3],
      ['two', 5, 3],
    ],
  )
  assert.deepEqual(cases[0]?.testCase.expect.body, { list: [1, null] })
  assert.deepEqual(positionOf('/1/expect/status'), { path: 'services/a.test.yaml', line: 8, column: 13 })
})

const request = 'request: { method: GET, path: /a }'
for (const [what, text, expected] of [
  ['a mapping', 'name: one', 'DOCUMENT_SHAPE 1:1'],
  ['nothing', '', 'DOCUMENT_SHAPE 1:1'],
  ['a case that is no mapping', '- one', 'DOCUMENT_SHAPE 1:3'],
  ['a field that is misspelt', `- name: one\n  requst: {}\n  ${request}\n  expect: { status: 200 }`, 'UNKNOWN_FIELD 2:3'],
  ['a field that is missing', `- name: one\n  ${request}`, 'MISSING_FIELD 1:3'],
  ['a method that is none', '- name: one\n  request: { method: GETS, path: /a }\n  expect: { status: 200 }', 'INVALID_VALUE 2:22'],
  ['a status that is text', `- name: one\n  ${request}\n  expect: { status: ok }`, 'WRONG_TYPE 3:21'],
  ['a key that stands twice', `- name: one\n  name: two\n  ${request}\n  expect: { status: 200 }`, 'DUPLICATE_KEY 2:3'],
  ['YAML that is none', '- name: [', 'YAML_SYNTAX 1:10'],
] as const)
  test(`${what} is told as ${expected}`, () => {
    const { cases, issues } = read(text)
    assert.deepEqual(cases, [])
    assert.deepEqual(
      issues.map(({ code, at }) => `${code} ${at?.line}:${at?.column}`),
      [expected],
    )
  })

test('a misspelt field is told with the one that was probably meant', () => {
  const [found] = read(`- name: one\n  ${request}\n  expect: { status: 200, bdy: {} }`).issues
  assert.match(found?.message ?? '', /"bdy".*did you mean "body"\?$/)
})
