// What a command is given and cannot use: it says what is accepted and what next, whether or not a server is there.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { readLimit, readRef, readRevision, wholeNumber } from '../../cli/arguments.ts'
import { CommandError, exit } from '../../cli/run.ts'
import { temporaryDirectory } from '../directory.ts'
import { plumb } from '../e2e/command.ts'

const sha = '0123456789abcdef0123456789abcdef01234567'

for (const [what, read, expected] of [
  ['a number', () => wholeNumber('--deadline', '20', { min: 1, max: 20 }), 20],
  ['a number without an upper bound', () => wholeNumber('the serial', '4000000', { min: 1 }), 4_000_000],
  ['a limit', () => readLimit('1000'), 1000],
  ['a ref', () => readRef('sql/a/b'), 'sql/a/b'],
  ['a revision', () => readRevision(sha), sha],
  ['a revision of SHA-256', () => readRevision(sha.slice(0, 32).repeat(2)), sha.slice(0, 32).repeat(2)],
] as const)
  test(`${what} that can be used is taken`, () => assert.equal(read(), expected))

for (const [what, read, message] of [
  [
    'a word for a number',
    () => wholeNumber('the serial', 'abc', { min: 1 }),
    /the serial as it is "abc": a whole number from 1 on is accepted/,
  ],
  ['nothing for a number', () => wholeNumber('--before', '', { min: 1 }), /--before as it is "": a whole number/],
  ['a fraction', () => wholeNumber('--deadline', '1.5', { min: 1, max: 9 }), /"1.5": a whole number from 1 to 9 is accepted/],
  ['a number in another notation', () => wholeNumber('--deadline', '1e3', { min: 1 }), /"1e3"/],
  ['a limit of nothing', () => readLimit('0'), /--limit as it is "0": a whole number from 1 to 1000 is accepted/],
  ['a limit without end', () => readLimit('1001'), /--limit as it is "1001"/],
  ['a ref without a name', () => readRef('foo'), /"foo"; a ref is kind\/name, such as .*; plumb get lists what is live/],
  ['a ref whose kind is none', () => readRef('Foo/x'), /"Foo"; a kind is lower-case letters, digits and underscores; plumb get/],
  ['a short revision', () => readRevision('abc'), /"abc" as it is no full commit id: 40 or 64 hex digits are accepted; git rev-parse/],
  ['a revision of a working tree', () => readRevision(`worktree-${sha}`), /no full commit id/],
] as const)
  test(`${what} is refused with what is accepted`, () =>
    assert.throws(read, (error: unknown) => error instanceof CommandError && error.status === exit.usage && message.test(error.message)))

describe.concurrent('without a server', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>
  beforeAll(async () => {
    folder = await temporaryDirectory()
    await writeFile(join(folder.path, 'file'), '')
  })
  afterAll(() => folder[Symbol.asyncDispose]())

  for (const [line, message] of [
    ['plan --revision abc', /no full commit id/],
    [`plan . --revision ${sha}`, /a directory and a revision in one: give one of them/],
    ['plan nowhere', /nowhere as it does not exist: the path of a directory is accepted/],
    ['apply ./nowhere', /"\.\/nowhere" as it does not exist: a directory, or the id of a plan, is accepted; plumb plan makes a plan/],
    ['apply 01JD4T5Q --confirm-deletes all', /--confirm-deletes as it is "all"/],
    ['explain foo', /a ref is kind\/name/],
    ['ping foo', /a ref is kind\/name/],
    ['get foo', /a ref is kind\/name/],
    ['get --after foo', /a ref is kind\/name/],
    ['get --limit many', /--limit as it is "many"/],
    ['history --limit many', /--limit as it is "many"/],
    ['history --before today', /--before as it is "today"/],
    ['rollback yesterday', /the serial as it is "yesterday": a whole number from 1 on is accepted; plumb history lists them/],
    [`rollback --reason ${'a'.repeat(1001)}`, /--reason as it has 1001 characters: 1000 are accepted/],
    ['invoke a -d {', /payload as it is not JSON: .*; accepted is such as '\{"id":1\}', or @FILE/],
    ['invoke a -d @nowhere', /payload from "nowhere" as it does not exist: behind @ the path of a file of JSON is accepted/],
    ['invoke a -d @.', /payload from "\." as it is a directory/],
    ['invoke a --deadline soon', /--deadline as it is "soon": a whole number from 1 to 600000 is accepted/],
    ['status --token-file nowhere', /token file "nowhere" as it does not exist: a file that holds the token alone is accepted/],
    ['serve --config nowhere', /"nowhere" as it does not exist: the path of a plumb.yaml is accepted/],
    ['validate nowhere', /nowhere as it does not exist: the path of a directory is accepted/],
    ['dev nowhere', /nowhere as it does not exist: the path of a directory is accepted/],
    ['dev --workers 0', /--workers as it is "0": a whole number from 1 to 256 is accepted/],
    ['serve --environment dev --source . --data file', /file as a file is where a directory is needed: .*; name one by --data/],
    ['init file', /file as a file is where a directory is needed: an empty directory, or a path that is free, is accepted/],
    ['init file/below', /below as a file is where a directory is needed/],
  ] as const)
    test(`plumb ${line.slice(0, 60)} says what is accepted`, async () => {
      const ran = await plumb(line.split(' '), { cwd: folder.path })
      assert.deepEqual([ran.status, ran.stdout], [exit.usage, ''])
      assert.match(ran.stderr, message)
    })
})
