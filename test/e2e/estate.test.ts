import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, test } from 'vitest'
import { compileLocally, environmentsOf } from '../../cli/local.ts'
import { typesOf } from '../../cli/types-of.ts'
import { temporaryDirectory } from '../directory.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const plumb = (...args: string[]) => run(process.execPath, [join(root, 'cli', 'plumb'), ...args])
const tsc = join(root, 'node_modules', 'typescript-7', 'bin', 'tsc')

describe('the sample estate', () => {
  test('has no issue in any environment, types of the service code included', async () => {
    await using local = await compileLocally(root)
    for (const environment of await environmentsOf(root)) {
      const compiled = await local.compile(environment)
      assert.deepEqual([...compiled.issues, ...(await local.checkTypes(compiled))], [], environment)
    }
  })

  test('carries the environment.d.ts that plumb types writes', async () => {
    await using local = await compileLocally(root)
    const { desired } = await local.compile('dev')
    assert.equal(
      await readFile(join(root, 'services', 'environment.d.ts'), 'utf8'),
      typesOf(desired?.resources.values() ?? [], local.vocabulary),
    )
  })
})

describe('plumb init', () => {
  test('makes an estate that type-checks without a registry, in the editor and in validate --types', async () => {
    await using directory = await temporaryDirectory()
    const estate = join(directory.path, 'shop')
    await plumb('init', estate)
    await run(process.execPath, [tsc, '-p', estate])
    const { stdout } = await plumb('validate', estate, '--types', '--json')
    assert.deepEqual(
      JSON.parse(stdout).environments.map(({ environment, issues }: { environment: string; issues: unknown[] }) => [environment, issues]),
      [
        ['dev', []],
        ['prod', []],
      ],
    )
  })

  test('overwrites nothing', async () => {
    await using directory = await temporaryDirectory()
    await plumb('init', directory.path)
    await assert.rejects(plumb('init', directory.path), (error: { code: number; stderr: string }) => {
      assert.equal(error.code, 64)
      assert.match(error.stderr, /environments\/base\/channels\.yaml.*is there already/)
      return true
    })
  })
})
