// `plumb test`: finds the tests, says what is wrong with those in YAML, compiles the estate once, and runs them. A watch does that again
// for what was saved: for a test file that file, for anything else all of them, as every test has the whole estate.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { isTestFile } from '../../reconcile/compile/test-file.ts'
import type { Tree } from '../../reconcile/source/tree.ts'
import { createWorktreeSource, type WorktreeSource } from '../../reconcile/source/worktree.ts'
import type { Issue } from '../../schema/issue.ts'
import { builtinVocabulary } from '../../schema/vocabulary.ts'
import { CommandError } from '../run.ts'
import { digestOfCode } from './compile-estate.ts'
import { EstateError, loadEstate, treeText, treeVariable } from './estate.ts'
import { findTests } from './find-tests.ts'
import { type RunRequest, type RunResult, runTests } from './run-tests.ts'
import { readTestFile } from './test-file.ts'

export type TestRequest = Omit<RunRequest, 'files' | 'treeDigest'>

export interface TestResult extends RunResult {
  /** How many files were run. */
  readonly files: number
}

export interface TestRun extends AsyncDisposable {
  /** @throws CommandError with issues where the estate or a test in YAML is broken, or where there is no test */
  once(): Promise<TestResult>
  /** Goes on until `signal`; `tell` is called with the end of every further run, or with why it could not begin. */
  watch(signal: AbortSignal, tell: (ended: TestResult | Error) => void): Promise<void>
}

/** @param asked files and folders to keep to */
export function createTestRun(request: TestRequest, asked: readonly string[]): TestRun {
  const source = createWorktreeSource({ root: request.root, except: join(request.root, '.plumb') })
  let before: ReadonlyMap<string, string> = new Map()

  async function runChanged(): Promise<TestResult | null> {
    const tree = await source.snapshot()
    const all = findTests(request.root, tree, asked)
    const now = await stampsOf(tree, all, request.root)
    const changed = [...now].filter(([path, stamp]) => before.get(path) !== stamp).map(([path]) => path)
    const hasOther = changed.some(path => !isTestFile(path)) || [...before.keys()].some(path => !now.has(path) && !isTestFile(path))
    const files = hasOther ? all : all.filter(file => changed.includes(relative(request.root, file)))
    before = now
    if (files.length === 0) return null
    await judgeYaml(files, request.root)
    const treeDigest = await compiledDigest(tree, request)
    return { ...(await runTests({ ...request, files, treeDigest })), files: files.length }
  }

  return {
    async once() {
      return (await runChanged()) ?? { passed: 0, failed: 0, skipped: 0, tests: [], files: 0 }
    },
    watch: (signal, tell) =>
      watchFor(source, signal, async () => {
        const ended = await runChanged().catch((error: Error) => error)
        if (ended !== null && !signal.aborted) tell(ended)
      }),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  }
}

/** Calls `act` after each change, one at a time; changes meanwhile are one more. */
async function watchFor(source: WorktreeSource, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  let isWanted = false
  let wake: () => void = () => undefined
  const stop = source.watch(() => {
    isWanted = true
    wake()
  })
  // The watches of folders keep no process.
  const alive = setInterval(() => undefined, 60_000)
  signal.addEventListener('abort', () => wake(), { once: true })
  while (!signal.aborted) {
    if (isWanted) {
      isWanted = false
      await act()
    } else
      await new Promise<void>(resolve => {
        wake = resolve
        if (isWanted || signal.aborted) resolve()
      })
  }
  clearInterval(alive)
  stop()
}

/** Path from the root → what tells its contents apart; with the tests that lie outside of the tree. */
async function stampsOf(tree: Tree, tests: readonly string[], root: string): Promise<ReadonlyMap<string, string>> {
  const stamps = new Map([...tree.files.values()].map(({ path, blob }) => [path, blob]))
  for (const file of tests) {
    const path = relative(root, file)
    if (!stamps.has(path))
      stamps.set(
        path,
        createHash('sha256')
          .update(await readFile(file))
          .digest('hex'),
      )
  }
  return stamps
}

async function judgeYaml(files: readonly string[], root: string): Promise<void> {
  const issues: Issue[] = []
  for (const file of files) if (/\.ya?ml$/.test(file)) issues.push(...readTestFile(relative(root, file), await readFile(file)).issues)
  if (issues.length > 0) throw new CommandError('Cannot test as test files have errors', { issues })
}

/** Compiles where that is not done, so that the processes of the tests find the result. */
async function compiledDigest(tree: Tree, { root, environment }: TestRequest): Promise<string> {
  const digest = digestOfCode(tree)
  process.env[treeVariable] = treeText(root, digest)
  try {
    await loadEstate({ root, environment, vocabulary: builtinVocabulary(), realSecrets: false })
  } catch (error) {
    if (error instanceof EstateError)
      throw new CommandError(`Cannot test as environment "${environment}" has errors`, { issues: error.issues })
    throw error
  }
  return digest
}
