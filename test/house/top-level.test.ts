import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'
import { repositoryFiles, root } from './repository.ts'

const folders = '.ci adapters bench cli docs engine environments reconcile schema scripts services test'.split(' ')

const files = [
  ...'.dependency-cruiser.json .gitignore biome.json knip.json package.json package-lock.json'.split(' '),
  ...'CHANGELOG.md CONTRIBUTING.md LICENSE Makefile README.md tsconfig.build.json tsconfig.json vitest.config.ts'.split(' '),
]

test('the top of the repository holds what is known there, and nothing that strayed in', () => {
  assert.deepEqual(strays(['cli/main.ts', 'package.json']), [])
  assert.deepEqual(strays(['tmp/a.ts', 'tmp/b.ts', 'notes.md', 'README.md/a']), ['tmp/', 'notes.md', 'README.md/'])
  const paths = [...repositoryFiles(() => true).keys()]
  assert.deepEqual(strays(paths), [])
  const held = new Set(paths.map(topOf))
  assert.deepEqual(
    [...folders.map(name => `${name}/`), ...files].filter(name => !held.has(name)),
    [],
  )
})

test('what is made at the top of the repository is left out by git', () => {
  const ignored = readFileSync(join(root, '.gitignore'), 'utf8').split('\n')
  for (const made of ['node_modules/', 'dist/', '.plumb/']) assert(ignored.includes(made), made)
})

/** What lies at the top and is not known: a folder ends in a slash. */
function strays(paths: readonly string[]): string[] {
  const known = new Set([...folders.map(name => `${name}/`), ...files])
  return [...new Set(paths.map(topOf))].filter(name => !known.has(name))
}

function topOf(path: string): string {
  const slash = path.indexOf('/')
  return slash < 0 ? path : path.slice(0, slash + 1)
}
