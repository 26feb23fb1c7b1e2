// The test files of an estate: those of its tree, so without what git ignores and what is installed, and those that are named.

import { existsSync, statSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { isTestFile } from '../../reconcile/compile/test-file.ts'
import type { Tree } from '../../reconcile/source/tree.ts'
import { CommandError, exit } from '../run.ts'

/**
 * Absolute paths, in order.
 * @param asked files and folders; empty: all of the tree
 * @throws CommandError for one that is not there, or holds no test
 */
export function findTests(root: string, tree: Tree, asked: readonly string[]): readonly string[] {
  const all = [...tree.files.keys()].filter(isTestFile).map(path => join(root, path))
  if (asked.length > 0) return [...new Set(asked.flatMap(path => testsAt(resolve(path), all)))].sort()
  if (all.length > 0) return all.sort()
  throw usage(`Cannot find a test in ${root}: files named *.test.ts or *.test.yaml are tests; plumb init writes one of each`)
}

function testsAt(path: string, all: readonly string[]): readonly string[] {
  const shown = relative(process.cwd(), path) || path
  if (!existsSync(path)) throw usage(`Cannot test ${shown} as it does not exist: a test file or a folder of them is accepted`)
  if (!statSync(path).isDirectory()) {
    if (isTestFile(path)) return [path]
    throw usage(`Cannot test ${shown} as its name is none of a test: *.test.ts and *.test.yaml are accepted`)
  }
  const below = all.filter(file => file.startsWith(`${path}/`))
  if (below.length === 0) throw usage(`Cannot find a test in ${shown}: files of the estate named *.test.ts or *.test.yaml are tests`)
  return below
}

function usage(message: string): CommandError {
  return new CommandError(message, { status: exit.usage })
}
