import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'vitest'
import { compileLocally } from '../../cli/local.ts'
import { temporaryDirectory } from '../directory.ts'

test('compileLocally() needs neither secrets nor process variables, and judges everything else', async () => {
  await using directory = await temporaryDirectory()
  const folder = join(directory.path, 'environments', 'dev')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'environment.yaml'), 'environment: dev\nenv: [PLUMB_TEST_UNSET]\nsecrets: [{env: P_}]\n')
  const rest = [
    'outgoing_rest:',
    '  - {name: CRM, host: "${{ env.PLUMB_TEST_UNSET }}", url_path: /, timeout: "${PLUMB_TEST_UNSET}", security: "${{ env.PLUMB_TEST_UNSET }}"}',
    '  - {name: Wrong, host: "ftp://${{ vars.nope }}", url_path: /, timeout: soon}',
    'redis:',
    '  - {name: cache, host: h, password: "${{ secrets.cache }}"}',
  ]
  await writeFile(join(folder, 'rest.yaml'), `${rest.join('\n')}\n`)
  await using local = await compileLocally(directory.path)
  const { issues } = await local.compile('dev')
  assert.deepEqual(
    issues.map(({ code, ref }) => [code, ref]),
    [
      ['MISSING_VARIABLE', 'outgoing_rest/Wrong'],
      ['WRONG_TYPE', 'outgoing_rest/Wrong'],
    ],
  )
})
