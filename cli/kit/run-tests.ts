// Runs test files under Node's own test runner, a process for each, and tells how they went by its own reporters.

import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { getCompileCacheDir } from 'node:module'
import { dirname, extname, relative, resolve } from 'node:path'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { junit, spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import type { JsonObject } from '../../schema/json.ts'
import { environmentVariable, treeText, treeVariable } from './estate.ts'

export interface RunRequest {
  readonly root: string
  /** Absolute paths. */
  readonly files: readonly string[]
  readonly environment: string
  /** Of the tree that the estate was compiled from. */
  readonly treeDigest: string
  /** Longest time a test may take. */
  readonly timeoutMs: number
  /** Null: all. */
  readonly pattern: RegExp | null
  /** File for the results as JUnit XML. */
  readonly junit: string | null
  /** Ends the run before its time. */
  readonly signal: AbortSignal
  /** Where people read how it goes; null: nowhere. */
  readonly output: NodeJS.WritableStream | null
}

export interface RunResult {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Tests, not the suites around them. */
  readonly tests: readonly JsonObject[]
}

/** Beyond the time of a test, for its process to start. */
const silenceMs = 10_000

/** Rejects only where the results cannot be written. */
export async function runTests(request: RunRequest): Promise<RunResult> {
  const { root, files, environment, treeDigest, timeoutMs, pattern, output } = request
  process.env[treeVariable] = treeText(root, treeDigest)
  process.env[environmentVariable] = environment
  const cache = getCompileCacheDir()
  // Node keeps a folder for each of its versions below the one it is given.
  if (cache !== undefined) process.env.NODE_COMPILE_CACHE ??= dirname(cache)
  const register = fileURLToPath(new URL(`./register${extname(import.meta.url)}`, import.meta.url))
  const stalled = new AbortController()
  const stream = run({
    files: [...files],
    cwd: root,
    concurrency: true,
    timeout: timeoutMs,
    signal: AbortSignal.any([request.signal, stalled.signal]),
    // What a test leaves open does not keep its process once the tests are over.
    execArgv: ['--disable-warning=ExperimentalWarning', '--test-force-exit', '--import', register],
    ...(pattern ? { testNamePatterns: [pattern] } : {}),
  })
  // A test that waits ends by its timeout; a file whose loop is blocked, or that never comes to its tests, is silent.
  const watchdog = setTimeout(() => stalled.abort(), timeoutMs + silenceMs)
  stream.on('data', () => watchdog.refresh())
  const tests: JsonObject[] = []
  const note = (outcome: string, event: Parameters<typeof testOf>[1]) => {
    // A file in which no test was asked for counts as a test that passed.
    const isFile = outcome === 'passed' && event.nesting === 0 && event.file !== undefined && resolve(root, event.name) === event.file
    if (event.details.type !== 'suite' && !isFile) tests.push(testOf(outcome, event, root))
  }
  stream.on('test:pass', event => note(event.skip !== undefined || event.todo !== undefined ? 'skipped' : 'passed', event))
  stream.on('test:fail', event => note(event.todo === undefined ? 'failed' : 'skipped', event))
  const written: Promise<unknown>[] = []
  if (request.junit !== null) {
    await mkdir(dirname(request.junit), { recursive: true })
    written.push(finished(stream.compose(junit).pipe(createWriteStream(request.junit))))
  }
  if (output) written.push(toEnd(stream.compose(new spec()), output))
  else stream.resume()
  await Promise.all([...written, finished(stream)])
  clearTimeout(watchdog)
  const count = (outcome: string) => tests.filter(test => test.outcome === outcome).length
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped'), tests }
}

async function toEnd(from: AsyncIterable<unknown>, output: NodeJS.WritableStream): Promise<void> {
  for await (const text of from) output.write(String(text))
}

interface TestEvent {
  readonly name: string
  readonly nesting: number
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly column?: number | undefined
  readonly details: { readonly duration_ms: number; readonly type?: string | undefined; readonly error?: unknown }
}

function testOf(outcome: string, { name, file, line, column, details }: TestEvent, root: string): JsonObject {
  return {
    name,
    outcome,
    file: file === undefined ? null : relative(root, file),
    line: line ?? null,
    column: column ?? null,
    elapsedMs: Math.round(details.duration_ms * 100) / 100,
    ...(outcome === 'failed' ? { error: messageIn(details.error) } : {}),
  }
}

/** The runner wraps what a test threw. */
function messageIn(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}
