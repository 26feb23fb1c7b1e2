import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { readConfigFile } from '../../cli/config-file.ts'
import { temporaryDirectory } from '../directory.ts'

const text = 'environment: dev\nlisten:\n  channels: 0.0.0.0:17010\n'

describe('readConfigFile()', () => {
  for (const [pointer, line, column] of [
    ['/listen/channels', 3, 13],
    ['/listen/admin', 3, 3],
    ['/source/git', 1, 1],
  ] as const)
    test(`finds the line of ${pointer}, or of what would hold it`, async () => {
      await using directory = await temporaryDirectory()
      const path = join(directory.path, 'plumb.yaml')
      await writeFile(path, text)
      assert.deepEqual((await readConfigFile(path)).positionOf(pointer), { path, line, column })
    })

  for (const [what, contents, message] of [
    ['is missing', null, /as it does not exist/],
    ['is not YAML', 'a: [', /as it is not YAML: line 1, column 5/],
    ['holds a list', '- a', /as it holds no mapping/],
  ] as const)
    test(`says what is wrong with a file that ${what}`, async () => {
      await using directory = await temporaryDirectory()
      const path = join(directory.path, 'plumb.yaml')
      if (contents !== null) await writeFile(path, contents)
      await assert.rejects(readConfigFile(path), message)
    })
})
