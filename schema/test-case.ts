// A case of a *.test.yaml, typed.

import { compileCheck } from './check.ts'
import type { Finding } from './finding.ts'
import type { TestCase } from './generated/test-case.ts'
import type { JsonObject } from './json.ts'
import schema from './test-case.json' with { type: 'json' }

export type { TestCase } from './generated/test-case.ts'

const check = compileCheck(schema, schema.title)

/** The case, or what does not fit; pointers are into the case. */
export function readTestCase(
  declared: JsonObject,
): { readonly testCase: TestCase; readonly findings: readonly [] } | { readonly findings: readonly Finding[] } {
  const findings = check(declared)
  // checked against the schema its type is generated from
  return findings.length > 0 ? { findings } : { testCase: declared as unknown as TestCase, findings: [] }
}
