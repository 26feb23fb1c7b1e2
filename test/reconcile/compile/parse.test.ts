import assert from 'node:assert/strict'
import { test } from 'vitest'
import { marksAt, type ParsedDocument, placeOf } from '../../../reconcile/compile/document.ts'
import { parseYaml } from '../../../reconcile/compile/parse.ts'
import { parseLimits } from '../../../reconcile/compile/parse-limits.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

function document(text: string): ParsedDocument {
  const parsed = parseYaml(bytes(text))
  if (parsed.kind !== 'document') throw new Error(`refused: ${JSON.stringify(parsed.refusals)}`)
  return parsed.document
}

const refusals = (input: string | Uint8Array): string[] => {
  const parsed = parseYaml(typeof input === 'string' ? bytes(input) : input)
  return parsed.kind === 'document' ? [] : parsed.refusals.map(({ code, line, column }) => `${code} ${line}:${column}`)
}

for (const [what, text, expected] of [
  ['a mapping left open', 'a: {b: 1', ['YAML_SYNTAX 1:9']],
  ['a tab as indentation', 'a:\n\tb: 1', ['YAML_SYNTAX 2:1']],
  ['an unknown alias', 'a: *b', ['YAML_SYNTAX 1:4']],
  ['a second document', 'a: 1\n---\nb: 2\n', ['YAML_MULTIPLE_DOCUMENTS 2:1']],
  ['a tag of another language', 'a: !!js/function "x"', ['YAML_TAG 1:4']],
  ['a tag of YAML that JSON has no value for', 'a: !!binary aGk=', ['YAML_TAG 1:13']],
  ['a tag that pretends to include', 'a: !include b.yaml', ['YAML_TAG 1:4']],
  ['a key that stands twice', 'a: 1\nb: 2\na: 3', ['DUPLICATE_KEY 3:1']],
  ['a key that reaches the prototype', 'a:\n  __proto__: 1', ['FORBIDDEN_KEY 2:3']],
  ['a key that reaches the constructor', 'constructor: {prototype: 1}', ['FORBIDDEN_KEY 1:1']],
  ['a NUL', 'a: b\u0000', ['FORBIDDEN_CHARACTER 1:5']],
  ['a NUL by escape', 'a: "b\\0"', ['FORBIDDEN_CHARACTER 1:4']],
  ['a right-to-left override', 'a: "x\u202Ey"', ['FORBIDDEN_CHARACTER 1:6']],
  ['an infinite number', 'a: .inf', ['LOSSY_NUMBER 1:4']],
  ['no number', 'a: .nan', ['LOSSY_NUMBER 1:4']],
  ['a mapping as key', '? {a: 1}\n: 2', ['YAML_SYNTAX 1:3']],
] as const)
  test(`parseYaml() refuses ${what}`, () => assert.deepEqual(refusals(text), expected))

test('parseYaml() names the line of a byte that is not UTF-8', () => {
  assert.deepEqual(refusals(Buffer.from([0x61, 0x3a, 0x0a, 0x20, 0xff])), ['FORBIDDEN_CHARACTER 2:2'])
  assert.deepEqual(refusals(Buffer.from('a: 1', 'utf16le')), ['FORBIDDEN_CHARACTER 1:2'])
})

test('parseYaml() names both places of a key that stands twice', () => {
  const parsed = parseYaml(bytes('a: 1\na: 2'))
  assert.deepEqual(parsed.kind === 'refused' && parsed.refusals[0]?.related, [{ message: 'the first one', line: 1, column: 1 }])
})

test('parseYaml() never repeats what the file holds, as it may be a password', () => {
  for (const text of [
    'a: "hunter2',
    'a: [hunter2',
    'hunter2',
    'a: b: hunter2',
    '&hunter2',
    'a: *hunter2',
    '%hunter2\n---',
    'a: !hunter2 x',
    "a: 'x' hunter2",
  ])
    assert.doesNotMatch(JSON.stringify(parseYaml(bytes(text))).replace(/"value":.*/, ''), /hunter2/, text)
})

for (const [what, text] of [
  ['flow lists', '['.repeat(1500) + ']'.repeat(1500)],
  ['unclosed flow lists', '['.repeat(1500)],
  ['block lists', '- '.repeat(1500)],
  ['keys within keys', '? '.repeat(1500)],
  ['block mappings', Array.from({ length: 200 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
  ['an alias to what it stands in', 'a: &a [*a]'],
  ['a merge key of itself', 'a: &a {<<: *a}'],
] as const)
  test(`parseYaml() refuses too deep ${what}, ten times in one process`, () => {
    for (let run = 0; run < 10; run++) assert.match(refusals(text)[0] ?? '', /^YAML_(LIMIT|SYNTAX) /)
  })

test(`parseYaml() accepts ${parseLimits.depth - 2} levels`, () => {
  const depth = parseLimits.depth - 2
  assert.deepEqual(refusals('['.repeat(depth) + ']'.repeat(depth)), [])
})

test('parseYaml() refuses aliases that expand to too much', () => {
  const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 9; level++)
    bomb.push(
      `a${level}: &a${level} [${Array(10)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
    )
  assert.match(refusals(bomb.join('\n'))[0] ?? '', /^YAML_LIMIT /)
})

test('parseYaml() takes time in proportion to the keys of a mapping', () => {
  const text = Array.from({ length: 20_000 }, (_, index) => `key${index}: ${index}`).join('\n')
  const start = process.cpuUsage()
  assert.equal(Object.keys(document(text).value ?? {}).length, 20_000)
  const { user } = process.cpuUsage(start)
  assert.ok(user < 5_000_000, `${user} µs of CPU`)
})

for (const [what, text, expected] of [
  ['texts that YAML 1.1 takes for booleans', 'a: yes\nb: off', { a: 'yes', b: 'off' }],
  ['times and dates as text', 'a: 12:30\nb: 2026-01-01', { a: '12:30', b: '2026-01-01' }],
  ['nothing', 'a:\nb: ~\nc: null', { a: null, b: null, c: null }],
  ['numbers', 'a: 0x1f\nb: 1e3\nc: .5\nd: -0', { a: 31, b: 1000, c: 0.5, d: 0 }],
  ['a byte order mark and CRLF', '\uFEFFa: 1\r\nb: x\r\n', { a: 1, b: 'x' }],
  ['an alias', 'a: &x {b: 1}\nc: *x', { a: { b: 1 }, c: { b: 1 } }],
  ['the last anchor of a name', 'a: &x 1\nb: &x 2\nc: *x', { a: 1, b: 2, c: 2 }],
  ['a merge key, where the own entry wins', 'a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}', { a: { b: 1, c: 2 }, d: { b: 3, c: 2 } }],
  [
    'merge keys, where the first wins',
    'a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne: {<<: [*x, *y]}',
    { a: { b: 1 }, c: { b: 2, d: 3 }, e: { b: 1, d: 3 } },
  ],
  ['a number as key', '404: x\nb: y', { 404: 'x', b: 'y' }],
  ['an empty file', '', null],
  ['only comments', '# nothing\n', null],
] as const)
  test(`parseYaml() reads ${what}`, () => assert.deepEqual(document(text).value, expected))

for (const [what, source, lossy] of [
  ['more digits than a number keeps', '12345678901234567890', true],
  ['a leading zero', '010', true],
  ['a fraction with too many digits', '0.10000000000000000555', true],
  ['a long hexadecimal number', '0xfffffffffffffff', true],
  ['a trailing zero', '1.10', false],
  ['an exponent', '1.50e3', false],
  ['a sign', '+5', false],
  ['a capital boolean', 'True', false],
  ['a boolean of YAML 1.1', 'Yes', false],
] as const)
  test(`parseYaml() keeps the text of a scalar with ${what}`, () =>
    assert.deepEqual(document(`a: ${source}`).raw, [{ mark: 2, source, lossy }]))

test('parseYaml() keeps no text where the value says it all', () => {
  assert.deepEqual(document('a: 5\nb: true\nc: x\nd: "yes"\ne: 1.5').raw, [])
})

test('marksAt() leads to the line and column of every value and key', () => {
  const found = document('a:\n  - name: x\n    list: [1, {k: v}]\n2: two\nb: &m {c: 1}\nd: *m\n')
  const place = (pointer: string, part: 'key' | 'value') => {
    const { line, column } = placeOf(found, marksAt(found.value, 0, pointer)[part])
    return `${line}:${column}`
  }
  assert.equal(place('/a/0', 'value'), '2:5')
  assert.equal(place('/a/0/name', 'key'), '2:5')
  assert.equal(place('/a/0/name', 'value'), '2:11')
  assert.equal(place('/a/0/list/1/k', 'value'), '3:19')
  assert.equal(place('/2', 'value'), '4:4')
  assert.equal(place('/b/c', 'value'), '5:11')
  assert.equal(place('/d', 'value'), '6:4')
  assert.equal(place('/a/0/nothing', 'value'), '2:5')
})
