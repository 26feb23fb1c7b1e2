// A *.test.yaml: a list of cases, each with its place. What is wrong with it is collected, as of every file of an estate.

import { marksAt, type ParsedDocument, positionOf } from '../../reconcile/compile/document.ts'
import { refusalsOf } from '../../reconcile/compile/file-issues.ts'
import { parseYaml } from '../../reconcile/compile/parse.ts'
import { hasErrors, type Issue, issue, type Position } from '../../schema/issue.ts'
import { isObject, type JsonObject } from '../../schema/json.ts'
import { readTestCase, type TestCase } from '../../schema/test-case.ts'

export interface TestFile {
  /** Empty where something is wrong. */
  readonly cases: readonly { readonly testCase: TestCase; readonly at: Position }[]
  readonly issues: readonly Issue[]
  /** Where a JSON pointer into the file leads: to the value, or as far as there is one. */
  positionOf(pointer: string): Position
}

/** @param path for messages */
export function readTestFile(path: string, bytes: Uint8Array): TestFile {
  const parsed = parseYaml(bytes)
  const top = { path, line: 1, column: 1 }
  if (parsed.kind === 'refused') return { cases: [], issues: refusalsOf(path, parsed), positionOf: () => top }
  const { document } = parsed
  const at = (pointer: string, what: 'value' | 'key' = 'value') => positionOf(path, document, marksAt(document.value, 0, pointer)[what])
  const cases: { testCase: TestCase; at: Position }[] = []
  const issues: Issue[] = []
  for (const [index, declared] of listed(document, path, issues)) {
    if (!isObject(declared)) {
      issues.push(
        issue('DOCUMENT_SHAPE', 'Cannot read this as a test case as it is no mapping: "name", "request" and "expect" are accepted', {
          at: at(`/${index}`),
        }),
      )
      continue
    }
    const read = readTestCase(declared)
    if ('testCase' in read) cases.push({ testCase: read.testCase, at: at(`/${index}`) })
    for (const { code, message, pointer } of read.findings)
      issues.push(issue(code, message, { at: at(`/${index}${pointer}`, code === 'UNKNOWN_FIELD' ? 'key' : 'value') }))
  }
  return { cases: hasErrors(issues) ? [] : cases, issues, positionOf: at }
}

function listed({ value }: ParsedDocument, path: string, issues: Issue[]): Iterable<[number, JsonObject[string]]> {
  if (Array.isArray(value) && value.length > 0) return value.entries()
  const message = 'Cannot read this file as tests as it is no list of cases: write each case as an item, starting with "- name:"'
  issues.push(issue('DOCUMENT_SHAPE', message, { at: { path, line: 1, column: 1 } }))
  return []
}
