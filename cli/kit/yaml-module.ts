// A *.test.yaml as the module that the test runner loads in its place: each case is a test at the line and column of its item, so that
// whatever tells where a test stands tells the place in the file.

import { fileURLToPath } from 'node:url'
import { readTestFile } from './test-file.ts'

/** @throws where something is wrong with the file, which `plumb test` says before it runs */
export function yamlModule(path: string, bytes: Uint8Array): string {
  const { cases, issues } = readTestFile(path, bytes)
  const [flaw] = issues
  if (flaw) throw new Error(`Cannot read "${path}" as tests: line ${flaw.at?.line}, column ${flaw.at?.column}: ${flaw.message}`)
  const lines: string[] = []
  for (const [index, { testCase, at }] of cases.entries()) {
    while (lines.length < at.line) lines.push('')
    const before = lines[at.line - 1] ?? ''
    const call = `test(${JSON.stringify(testCase.name)}, () => runCase(${JSON.stringify(path)}, ${index}));`
    lines[at.line - 1] = `${before.padEnd(at.column - 1)}${call}`
  }
  const runner = new URL(`./yaml-case.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
  // Imports count from wherever they stand.
  return [...lines, `import { test } from 'node:test'; import { runCase } from ${JSON.stringify(fileURLToPath(runner))}`].join('\n')
}
