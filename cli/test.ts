import { existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Command } from 'commander'
import { durationMs } from '../schema/duration.ts'
import { estateRoot } from './estate-root.ts'
import type { TestResult } from './kit/test-run.ts'
import { printable, printIssues } from './print.ts'
import { CommandError, exit, finish, printJson, type Shared } from './run.ts'

interface Options extends Shared {
  readonly environment: string
  readonly watch?: boolean
  readonly junit?: string
  readonly grep?: string
  readonly timeout: string
}

export function testCommand(): Command {
  return new Command('test')
    .description('runs the tests beside the services: *.test.ts and *.test.yaml')
    .argument('[paths...]', 'test files, or folders of them (default: all of the estate)')
    .option('--environment <name>', 'whose channels, connections and variables', 'dev')
    .option('--watch', 'run again what a saved file concerns, until Ctrl-C')
    .option('--junit <file>', 'write the results as JUnit XML as well')
    .option('--grep <expression>', 'only tests whose names fit')
    .option('--timeout <duration>', 'longest time a test may take', '60s')
    .option('--json', 'print the results as JSON')
    .addHelpText('after', '\nExample:\n  plumb test services/client --watch')
    .action((paths: string[], options: Options) => finish(options, () => test(paths, options)))
}

async function test(paths: readonly string[], options: Options): Promise<number> {
  const root = estateRoot(paths[0] === undefined ? '.' : folderOf(paths[0]))
  const ending = new AbortController()
  const request = {
    root,
    environment: options.environment,
    timeoutMs: timeoutOf(options.timeout),
    pattern: options.grep === undefined ? null : patternOf(options.grep),
    junit: options.junit === undefined ? null : resolve(options.junit),
    output: options.json ? null : process.stdout,
    signal: ending.signal,
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
  // The compiler is heavy: only who needs it waits for it.
  const { createTestRun } = await import('./kit/test-run.ts')
  await using run = createTestRun(request, paths)
  let status: number = exit.failed
  const tell = (ended: TestResult | Error) => {
    status = ended instanceof Error ? told(ended, options) : toldResult(ended, options)
    if (options.watch && !options.json) process.stdout.write('\nWatching; Ctrl-C ends it\n')
  }
  tell(options.watch ? await run.once().catch((error: Error) => error) : await run.once())
  if (options.watch) await run.watch(ending.signal, tell)
  return status
}

/** @throws CommandError where no test has a name that is asked for */
function toldResult({ files, ...result }: TestResult, { json, grep, watch }: Options): number {
  const { passed, failed, skipped } = result
  if (passed + failed + skipped === 0 && !watch)
    throw new CommandError(`Cannot find a test${grep === undefined ? '' : ` whose name fits "${grep}"`} in ${files} test files`, {
      status: exit.usage,
    })
  if (json) printJson({ ok: failed === 0, ...result })
  return failed === 0 ? exit.done : exit.failed
}

/** Why a run of a watch could not begin; the next one may. */
function told(error: Error, { json }: Options): number {
  const issues = error instanceof CommandError ? error.issues : []
  if (json) printJson({ ok: false, error: { message: error.message, code: error.name, issues } })
  else {
    printIssues(issues, process.stderr)
    process.stderr.write(`${printable(error.message)}\n`)
  }
  return exit.failed
}

function folderOf(path: string): string {
  return existsSync(path) && statSync(path).isDirectory() ? path : dirname(path)
}

function timeoutOf(text: string): number {
  const ms = durationMs(text)
  if (ms !== undefined && ms > 0) return ms
  throw new CommandError(`Cannot use --timeout as it is "${text}": a duration such as "30s" or "2m" is accepted`, { status: exit.usage })
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError(`Cannot use --grep as it is no regular expression: ${reason}`, { status: exit.usage })
  }
}
