import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'
import { root } from './repository.ts'

interface Locked {
  readonly version: string
  readonly resolved?: string
  readonly integrity?: string
  readonly link?: boolean
}

const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, Locked> } // npm's lockfile, version 3
const locked = Object.entries(packages).filter(([path]) => path !== '')

/** The first versions without a known hole, oldest line first; none: not wanted at all. `npm audit` needs a registry that answers it. */
const floors: Readonly<Record<string, readonly string[]>> = {
  ajv: ['8.18.0'],
  'fast-xml-parser': ['5.7.0'],
  hono: ['4.12.12'],
  'js-yaml': ['4.3.2', '5.2.1'],
  'simple-git': ['3.36.0'],
  tar: [],
  yaml: ['2.8.3'],
}

for (const [path, version, expected] of [
  ['node_modules/yaml', '2.8.2', ['node_modules/yaml is 2.8.2: at least 2.8.3']],
  ['node_modules/a/node_modules/yaml', '1.10.2', ['node_modules/a/node_modules/yaml is 1.10.2: at least 2.8.3']],
  ['node_modules/yaml', '2.10.0', []],
  ['node_modules/tar', '7.0.0', ['node_modules/tar is not wanted']],
] as const)
  test(`the gate says ${JSON.stringify(expected)} of ${path} ${version}`, () =>
    assert.deepEqual(tooOld([[path, { version, integrity: 'sha512-x' }]]), expected))

test('no locked package is older than its first version without a known hole', () => {
  assert(locked.length > 100)
  assert.deepEqual(tooOld(locked), [])
})

test('every locked package is a registry’s, with its checksum', () => {
  assert.deepEqual(foreign([['node_modules/a', { version: '1.0.0', resolved: 'git+ssh://git@example.com/a.git' }]]).length, 2)
  assert.deepEqual(
    foreign([['node_modules/a', { version: '1.0.0', resolved: 'http://example.com/a.tgz', integrity: 'sha512-x' }]]).length,
    1,
  )
  assert.deepEqual(foreign(locked), [])
})

test('every dependency is pinned to one version', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const ranges = Object.entries<string>({ ...dependencies, ...devDependencies }).filter(
    ([, range]) => !/^(npm:[^@]+@)?\d+\.\d+\.\d+$/.test(range),
  )
  assert.deepEqual(ranges, [])
})

function tooOld(entries: readonly (readonly [string, Locked])[]): string[] {
  return entries.flatMap(([path, { version }]) => {
    const lines = floors[path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)]
    if (lines === undefined) return []
    const floor = lines.find(line => line.split('.')[0] === version.split('.')[0]) ?? lines.at(-1)
    if (floor === undefined) return [`${path} is not wanted`]
    return compare(version, floor) < 0 ? [`${path} is ${version}: at least ${floor}`] : []
  })
}

function foreign(entries: readonly (readonly [string, Locked])[]): string[] {
  return entries.flatMap(([path, { resolved, integrity, link }]) => [
    ...(link || (resolved !== undefined && !/^https:\/\/[^/]+\/.+\.tgz$/.test(resolved))
      ? [`${path} comes from ${resolved ?? 'a link'}`]
      : []),
    ...(integrity === undefined && !isBundled(path) ? [`${path} has no checksum`] : []),
  ])
}

/** npm gives no checksum to what another package carries inside. */
function isBundled(path: string): boolean {
  return 'inBundle' in (packages[path] ?? {})
}

function compare(one: string, other: string): number {
  const [a, b] = [one, other].map(version => version.split('-')[0]?.split('.').map(Number) ?? [])
  for (let place = 0; place < 3; place += 1) {
    const difference = (a?.[place] ?? 0) - (b?.[place] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
