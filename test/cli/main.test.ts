// Lines that are written wrongly, as the command itself tells them.

import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { exit } from '../../cli/run.ts'
import { isObject } from '../../schema/json.ts'
import { plumb } from '../e2e/command.ts'

const commands = 'init,dev,serve,validate,plan,apply x,sync,status,get,explain x,history,rollback,invoke x,ping x,wait,doctor,types'.split(
  ',',
)

const lines: readonly (readonly [line: string, found: RegExp])[] = [
  ['--json', /^Cannot run plumb as its line is wrong: .+; plumb --help explains it$/],
  ['--nope --json', /^Cannot run plumb as its line is wrong: unknown option '--nope'; plumb --help explains it$/],
  ['statsu --json', /unknown command 'statsu' \(Did you mean status\?\); plumb --help explains it$/],
  ['invoke --json', /^Cannot run plumb invoke as its line is wrong: missing required argument 'service'; plumb invoke --help explains it$/],
  ['history --json --limit', /option '--limit <n>' argument missing/],
  ...['serve', 'sync', 'status', 'history'].map(command => [`${command} one --json`, /too many arguments/] as const),
  ...commands.map(command => [`${command} --nope --json`, /unknown option '--nope'/] as const),
]

describe.concurrent('a line that is written wrongly', () => {
  for (const [line, found] of lines)
    test(`plumb ${line} is told as JSON on stdout`, async () => {
      const ran = await plumb(line.split(' '))
      const { error } = ran.json()
      assert(isObject(error))
      assert.deepEqual([ran.status, ran.stderr, error.code, error.issues], [exit.usage, '', 'USAGE', []])
      assert.match(String(error.message), found)
    })

  test('it is told in words on stderr where JSON is not asked for', async () => {
    const ran = await plumb(['status', '--nope'])
    assert.deepEqual([ran.status, ran.stdout, ran.stderr], [exit.usage, '', "error: unknown option '--nope'\n"])
  })
})
