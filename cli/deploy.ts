import { relative, resolve, sep } from 'node:path'
import { Command } from 'commander'
import { createWorktreeSource, type WorktreeSource } from '../reconcile/source/worktree.ts'
import { retryMs } from '../reconcile/sync/loop.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { UnreachableError } from './client.ts'
import { jsonReport, type Report, textReport } from './deploy-report.ts'
import { openDeployState } from './deploy-state.ts'
import { Deployer, type TurnEnd } from './deploy-turn.ts'
import { estateRoot } from './estate-root.ts'
import { tellOutcome } from './outcome.ts'
import { table } from './print.ts'
import { connect, exit, finish, printJson, type Shared, talksToServer, withServer } from './run.ts'

interface Options extends Shared {
  readonly watch?: boolean
  readonly force?: boolean
  readonly list?: boolean
  readonly drop?: true | string[]
}

export function deployCommand(): Command {
  return talksToServer(new Command('deploy'))
    .description('sends the files that are changed here to a server, where they are live at once, all of them or none')
    .argument('[directory]', 'an estate (default: the one around the working directory)')
    .option('--watch', 'go on with every save')
    .option('--force', 'send files also where others changed them on the server')
    .option('--list', 'say which deployed files lie over what git has')
    .option('--drop [paths...]', 'take deployed files away, all where none is named, so that what git has is live again')
    .addHelpText('after', '\nExample:\n  plumb deploy --watch --server https://dev.example.com:8183 --token-file ~/.plumb-token')
    .action((directory: string | undefined, options: Options) => {
      if (options.list) return withServer(options, 'Reading what is deployed', async client => list(await client.get('deploy'), options))
      if (options.drop !== undefined)
        return withServer(options, 'Dropping', async client => {
          const paths =
            options.drop === true || options.drop === undefined ? undefined : options.drop.map(path => estatePath(directory, path))
          return tellOutcome(await client.post('deploy/drop', paths === undefined ? {} : { paths }), options)
        })
      return finish(options, () => deploy(estateRoot(directory ?? '.'), options))
    })
}

async function deploy(root: string, options: Options): Promise<number> {
  const report = options.json ? jsonReport(options.watch === true) : textReport(root, process.stdout)
  const ending = new AbortController()
  const end = () => ending.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
  // Names that macOS keeps decomposed are sent composed, as the tree has them.
  await using source = createWorktreeSource({ root, nameOf: path => path.normalize('NFC') })
  await using deployer = new Deployer({
    source,
    connect: signal => connect(options, signal),
    state: openDeployState(root),
    force: options.force === true,
    signal: ending.signal,
    onBegin: report.begin,
  })
  // Awaited here, as what is used ends with this function.
  return options.watch ? await watch(source, deployer, report, ending.signal) : await once(deployer, report, ending.signal)
}

/** The server that answered once is waited for that long when the link breaks. */
const patienceMs = 30_000

async function once(deployer: Deployer, report: Report, signal: AbortSignal): Promise<number> {
  const startedAt = performance.now()
  let lostAt: number | null = null
  for (let failures = 0; ; failures++) {
    try {
      const end = await deployer.turn()
      report.end(end, performance.now() - startedAt)
      return statusOf(end)
    } catch (error) {
      if (!(error instanceof UnreachableError) || !deployer.hasAnswered || signal.aborted) throw error
      lostAt ??= performance.now()
      if (performance.now() - lostAt > patienceMs) throw error
      await pause(pauseMs(failures), signal)
    }
  }
}

async function watch(source: WorktreeSource, deployer: Deployer, report: Report, signal: AbortSignal): Promise<number> {
  const saves = new Saves()
  const unwatch = source.watch(() => saves.add())
  // A watch of folders alone keeps no process.
  const alive = setInterval(() => undefined, 60_000)
  signal.addEventListener('abort', () => saves.add(), { once: true })
  saves.add()
  let lostAt: number | null = null
  let failures = 0
  try {
    while (!signal.aborted) {
      const savedAt = await saves.next()
      if (signal.aborted) break
      try {
        const end = await deployer.turn()
        if (lostAt !== null) report.back(performance.now() - lostAt)
        // A save that changes nothing, such as that of an ignored file, is not told.
        if (end.kind !== 'idle' || end.notes.length > 0 || lostAt !== null || failures > 0 || saves.isFirst)
          report.end(end, performance.now() - savedAt)
        lostAt = null
        failures = 0
        if (end.kind === 'refused' && end.code === 'MODE_GIT') return exit.failed
      } catch (error) {
        if (signal.aborted) break
        if (!(error instanceof UnreachableError) || !deployer.hasAnswered) throw error
        if (lostAt === null) report.lost(error.message)
        lostAt ??= performance.now()
        await pause(pauseMs(failures++), signal)
        saves.add(savedAt)
      }
    }
    return exit.done
  } finally {
    clearInterval(alive)
    unwatch()
  }
}

/** What was saved and not yet sent: one thing, however often it was saved. */
class Saves {
  isFirst = true
  #at: number | null = null
  #wake: (() => void) | null = null
  #taken = 0

  add(at = performance.now()): void {
    this.#at = Math.min(at, this.#at ?? at)
    this.#wake?.()
  }

  /** When the first of them was seen. */
  async next(): Promise<number> {
    while (this.#at === null)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    const at = this.#at
    this.#at = null
    this.isFirst = this.#taken++ === 0
    return at
  }
}

/** 0.25 s at first, 5 s at most. */
function pauseMs(failures: number): number {
  return Math.min(5_000, retryMs(failures + 1, Math.random) / 8)
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}

function statusOf(end: TurnEnd): number {
  if (end.kind === 'idle') return exit.done
  if (end.kind === 'refused' || end.notes.some(({ severity }) => severity === 'error')) return exit.failed
  const { kind } = end.outcome
  return kind === 'live' || kind === 'nothing' ? exit.done : kind === 'held' ? exit.waits : exit.failed
}

function list(state: JsonObject, options: Shared): number {
  const layers = Array.isArray(state.layers) ? state.layers.filter(isObject) : []
  if (options.json) printJson({ kind: state.kind ?? null, layers })
  else if (layers.length === 0) process.stdout.write('No deployed file lies over what git has.\n')
  else
    process.stdout.write(
      table(layers.map(({ path, by, at, digest }) => [String(path), digest === null ? 'deleted' : 'changed', `by ${by}`, `at ${at}`])),
    )
  return exit.done
}

/** A path as the shell gave it, from the root of the estate and with `/`. */
function estatePath(directory: string | undefined, path: string): string {
  return relative(estateRoot(directory ?? '.'), resolve(path))
    .split(sep)
    .join('/')
    .normalize('NFC')
}
