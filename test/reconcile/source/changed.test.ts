// What a deploy sends, by who changed a file: here, there, or both, measured from the commit that both came from.

import assert from 'node:assert/strict'
import { test } from 'vitest'
import { type Comparison, changedFiles } from '../../../reconcile/source/changed.ts'

const path = 'services/a.ts'
const one = (id: string | null) => new Map(id === null ? [] : [[path, id]])

/** `-` stands for no file. */
for (const [here, there, reference, sent, verdict] of [
  ['A', 'A', 'A', '', 'same'],
  ['B', 'B', 'A', '', 'same'],
  ['B', 'A', 'A', '', 'sent'],
  ['B', '-', '-', '', 'sent'],
  ['-', 'A', 'A', '', 'gone'],
  ['A', 'B', 'A', '', 'behind'],
  ['-', 'B', '-', '', 'behind'],
  ['A', '-', 'A', '', 'behind'],
  ['B', 'C', 'A', '', 'conflict'],
  ['B', '-', 'A', '', 'conflict'],
  ['-', 'C', 'A', '', 'conflict'],
  // What this working copy deployed before is its own.
  ['B', 'C', 'A', 'C', 'sent'],
  ['A', 'C', 'A', 'C', 'sent'],
  ['-', 'C', '-', 'C', 'gone'],
  ['A', '-', 'A', '-', 'sent'],
  // Somebody else came after it.
  ['B', 'D', 'A', 'C', 'conflict'],
  // Where git keeps no folder, what differs is sent, and only what was deployed from here is taken away.
  ['B', 'A', 'none', '', 'sent'],
  ['B', '-', 'none', '', 'sent'],
  ['-', 'A', 'none', '', 'behind'],
  ['-', 'A', 'none', 'A', 'gone'],
] as const)
  test(`changedFiles() here ${here}, there ${there}, in the commit ${reference}${sent === '' ? '' : `, deployed ${sent}`}: ${verdict}`, () => {
    const compared: Comparison = {
      here: new Map(here === '-' ? [] : [[path, [here]]]),
      there: one(there === '-' ? null : there),
      reference: reference === 'none' ? null : one(reference === '-' ? null : reference),
      sent: new Map(sent === '' ? [] : [[path, [sent === '-' ? null : sent, 'Z']]]),
      force: false,
    }
    assert.equal(verdictOf(compared), verdict)
    if (verdict === 'conflict') assert.equal(verdictOf({ ...compared, force: true }), here === '-' ? 'gone' : 'sent')
  })

function verdictOf(compared: Comparison): string {
  const { changes, conflicts, behind } = changedFiles(compared)
  const [change] = changes
  if (change) return change.gone ? 'gone' : 'sent'
  return conflicts.length > 0 ? 'conflict' : behind.length > 0 ? 'behind' : 'same'
}

test('changedFiles() takes a file that differs in its ends of lines alone for the same', () => {
  const here = new Map([[path, ['crlf', 'lf']]])
  assert.deepEqual(changedFiles({ here, there: one('lf'), reference: null, sent: new Map(), force: false }).changes, [])
})

test('changedFiles() leaves alone what lies outside of the estate on the server, and what editors leave in it', () => {
  const there = new Map(['README.md', 'docs/a.md', 'services/a.ts~', 'services/node_modules/x/index.js'].map(each => [each, 'A']))
  const found = changedFiles({ here: new Map(), there, reference: there, sent: new Map(), force: true })
  assert.deepEqual(found, { changes: [], conflicts: [], behind: [] })
})
