// Zato's own files as input. They are not part of this repository (their licence is another one), so where they are absent the tests are skipped.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import type { IssueCode } from '../../../schema/issue.ts'
import { compileFiles, devEstate } from './estate.ts'

const directory = resolve(process.env.PLUMB_ENMASSE_DATA ?? join(import.meta.dirname, '../../../../shared/data/enmasse'))
const files = existsSync(directory) ? readdirSync(directory).filter(file => file.endsWith('.yaml')) : []

/** What a file written for another server may rightly be told by this one. */
const expected: ReadonlySet<IssueCode> = new Set<IssueCode>([
  'UNKNOWN_SECTION',
  'UNKNOWN_FIELD',
  'FIELD_NOT_SERVED',
  'MISPLACED_FIELD',
  'MISSING_FIELD',
  'INVALID_VALUE',
  'UNRESOLVED_REF',
  'PLAINTEXT_SECRET',
  'ENV_NOT_ALLOWED',
  'EMPTY_ENVIRONMENT',
  'INCLUDE_MISSING',
  'INCLUDE_OUTSIDE',
])

const documents = new DocumentCache({ directory: null })
afterAll(() => documents[Symbol.asyncDispose]())

describe.skipIf(files.length === 0)(`the enmasse files in ${directory}`, () => {
  for (const file of files.filter(name => !name.includes('.tmpl.')))
    test(`${file} is read, and told only what is to be expected`, async () => {
      const { issues } = await compileFiles(devEstate(readFileSync(join(directory, file), 'utf8')), { documents, services: [] })
      const others = issues.filter(issue => !expected.has(issue.code))
      assert.deepEqual(others, [])
    })

  for (const file of files.filter(name => name.includes('.tmpl.')))
    test(`${file}, whose placeholders are not filled, does no harm`, async () => {
      const { issues } = await compileFiles(devEstate(readFileSync(join(directory, file), 'utf8')), { documents, services: [] })
      assert.ok(issues.length > 0)
    })
})
