import assert from 'node:assert/strict'
import { test } from 'vitest'
import { createJudge } from '../../../engine/plane/judge.ts'
import type { Resource } from '../../../schema/resource.ts'

const channel = (name: string, url_path: string, method = '', tainted: readonly string[] = []) =>
  ({ ref: `channel_rest/${name}`, spec: { url_path, method }, tainted }) as unknown as Resource // all that a judge reads

for (const [what, channels, expected] of [
  [
    'one path twice, whatever its parameter is called',
    [channel('a', '/a/{x}', 'GET'), channel('b', '/a/{y}', 'get')],
    [['ROUTE_CONFLICT', 'channel_rest/b', 'channel_rest/a']],
  ],
  ['one path for any method twice', [channel('a', '/a'), channel('b', '/a')], [['ROUTE_CONFLICT', 'channel_rest/b', 'channel_rest/a']]],
  ['two methods of one path', [channel('a', '/a', 'GET'), channel('b', '/a', 'POST')], []],
  ['a method beside any other', [channel('a', '/a', 'GET'), channel('b', '/a')], []],
  ['a literal beside a parameter', [channel('a', '/a/b'), channel('b', '/a/{x}')], []],
  ['a path that no request can have', [channel('a', '/a/../b')], [['ROUTE_INVALID', 'channel_rest/a', undefined]]],
] as const)
  test(`createJudge() on ${what}`, () => {
    const judge = createJudge()
    for (const flaws of [judge(channels), judge(channels)])
      assert.deepEqual(
        flaws.map(({ code, ref, other }) => [code, ref, other]),
        expected,
      )
  })

const hidden = '/region-eu'
const badlyHidden = '/region-eu?'

for (const [what, channels, code] of [
  ['the later path', [channel('a', hidden), channel('b', hidden, '', ['/url_path'])], 'ROUTE_CONFLICT'],
  ['the earlier path', [channel('a', hidden, '', ['/url_path']), channel('b', hidden)], 'ROUTE_CONFLICT'],
  ['the method', [channel('a', '/a', 'region-eu'), channel('b', '/a', 'region-eu', ['/method'])], 'ROUTE_CONFLICT'],
  ['a path that no request can have', [channel('a', badlyHidden, '', ['/url_path'])], 'ROUTE_INVALID'],
] as const)
  test(`createJudge() does not tell ${what} where it comes from a process variable`, () => {
    const flaws = createJudge()(channels)
    assert.deepEqual(
      flaws.map(flaw => flaw.code),
      [code],
    )
    assert.doesNotMatch(flaws[0]?.message ?? '', /region-eu/i)
  })
