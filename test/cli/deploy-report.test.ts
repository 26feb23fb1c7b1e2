// What `plumb deploy` writes is what the problem matcher of an editor reads.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { test } from 'vitest'
import { textReport } from '../../cli/deploy-report.ts'
import type { TurnEnd } from '../../cli/deploy-turn.ts'
import { problemMatcher } from '../../cli/problem-matcher.ts'
import { issue } from '../../schema/issue.ts'
import { isObject } from '../../schema/json.ts'

const { pattern, background } = problemMatcher
assert(isObject(pattern) && isObject(background))
const problem = new RegExp(String(pattern.regexp))
const begins = new RegExp(String(background.beginsPattern))
const ends = new RegExp(String(background.endsPattern))

const root = join('/home', 'ada', 'estate')

function written(directory: string, act: (report: ReturnType<typeof textReport>) => void): string[] {
  const chunks: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk))
      done()
    },
  })
  act(textReport(root, stream as unknown as NodeJS.WriteStream, directory)) // what is written to of one
  return chunks.join('').split('\n').slice(0, -1)
}

const at = { path: 'services/a b.ts', line: 12, column: 5 }
const wrong = issue('TYPE_ERROR', 'Cannot use it:\n  as it is no number', { at })
const refused: TurnEnd = { kind: 'refused', code: 'INPUT', message: wrong.message, issues: [wrong] }

for (const [what, directory, path] of [
  ['the root of the estate', root, 'services/a b.ts'],
  ['a folder in it', join(root, 'services'), 'a b.ts'],
  ['a folder around it', join('/home', 'ada'), 'estate/services/a b.ts'],
] as const)
  test(`a problem is one line that the matcher reads, with a path from ${what}`, () => {
    const [line = ''] = written(directory, report => report.end(refused, 3))
    const groups = problem.exec(line) ?? []
    const of = (field: string) => groups[Number(pattern[field])]
    assert.deepEqual(['file', 'line', 'column', 'severity', 'code', 'message'].map(of), [
      path,
      '12',
      '5',
      'error',
      'TYPE_ERROR',
      'Cannot use it: as it is no number',
    ])
  })

const outcome = (kind: string) => ({ kind: 'answered' as const, outcome: { kind, generation: 12 }, files: 1, notes: [] })
for (const [what, end] of [
  ['live', outcome('live')],
  ['nothing', outcome('nothing')],
  ['held', outcome('held')],
  ['refused by the server', outcome('refused')],
  ['refused', refused],
  ['up to date', { kind: 'idle', notes: [] }],
] as const satisfies (readonly [string, TurnEnd])[])
  test(`a turn that is ${what} begins with one line and ends with one`, () => {
    const lines = written(root, report => {
      report.begin(1)
      report.end(end, 143)
    })
    assert.deepEqual([lines.filter(line => begins.test(line)).length, lines.filter(line => ends.test(line)).length], [1, 1])
    assert.match(lines[0] ?? '', begins)
    assert.match(lines.at(-1) ?? '', ends)
  })

test('a turn that is live says its generation and how long it took', () => {
  assert.deepEqual(
    written(root, report => report.end(outcome('live'), 143.4)),
    ['Deployed: generation 12 after 143 ms'],
  )
})

test('a link that breaks ends the turn, and its return is told', () => {
  const lines = written(root, report => {
    report.lost('Cannot reach the server')
    report.back(2_000)
  })
  assert.match(lines[0] ?? '', ends)
  assert.match(lines[1] ?? '', /back/)
})
