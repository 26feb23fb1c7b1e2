import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { styleText } from 'node:util'
import { Command } from 'commander'
import { builtinVocabulary } from '../schema/vocabulary.ts'
import { socketIn, UnreachableError } from './client.ts'
import { examineClock } from './diagnosis/clock.ts'
import { type Diagnosis, problem, type Subject, skipped } from './diagnosis/diagnosis.ts'
import { examineDisk, examineStore } from './diagnosis/disk.ts'
import { examineSealKey, examineTokenFile } from './diagnosis/keys.ts'
import { examinePort } from './diagnosis/ports.ts'
import { examineConnections, examineStatus, examineVersion } from './diagnosis/server.ts'
import { examineSource } from './diagnosis/source.ts'
import { examineGit, examineNode } from './diagnosis/tools.ts'
import { estateRoot } from './estate-root.ts'
import { printable, table } from './print.ts'
import { withProgress } from './progress.ts'
import { CommandError, connect, exit, finish, printJson, type Shared, talksToServer } from './run.ts'
import { configOf } from './serve-config.ts'
import { version } from './version.ts'

interface Options extends Shared {
  readonly config?: string
  readonly environment: string
  readonly data?: string
}

export function doctorCommand(): Command {
  return talksToServer(new Command('doctor'))
    .description(
      'looks at all that a server needs, on this machine and behind it, and says what to do; ends with 1 where something does not work',
    )
    .argument('[directory]', 'an estate, as plumb dev serves it (default: the one around the working directory)')
    .option('--config <file>', 'plumb.yaml, as plumb serve is started with it')
    .option('--environment <name>', 'directory under environments/', 'dev')
    .option('--data <directory>', 'where live state is kept (default: .plumb in the estate, or as plumb.yaml says)')
    .addHelpText(
      'after',
      '\nExamples:\n  plumb doctor\n  plumb doctor --config /etc/plumb/plumb.yaml\n  plumb doctor --server https://plumb.example.com:8183 --token-file token',
    )
    .action((directory: string | undefined, options: Options) =>
      finish(options, async () => {
        const found = await withProgress('Examining', examine(directory, options))
        if (options.json) printJson({ ok: !isBroken(found), findings: found })
        else print(found)
        return isBroken(found) ? exit.failed : exit.done
      }),
    )
}

async function examine(directory: string | undefined, options: Options): Promise<readonly Diagnosis[]> {
  const isRemote = (options.server ?? process.env.PLUMB_SERVER) !== undefined
  const subject = isRemote && options.config === undefined && directory === undefined ? null : await subjectOf(directory, options)
  const server = await examineServer(options, isRemote ? null : subject)
  return [
    examineNode(process.versions.node),
    await examineGit(),
    ...(subject === null ? [] : 'environment' in subject ? await examineHere(subject, server.isServed && !isRemote) : [subject]),
    examineClock(Date.now(), server.clocks),
    ...(options.tokenFile === undefined ? [] : [await examineTokenFile(options.tokenFile)]),
    ...server.found,
  ]
}

async function examineHere(subject: Subject, isServed: boolean): Promise<readonly Diagnosis[]> {
  return [
    ...(await examineDisk(subject.dataDirectory)),
    await examineStore(subject.dataDirectory),
    await examineSealKey(subject),
    await examinePort('channels', subject.channels, isServed),
    await examinePort('admin API', subject.admin, isServed),
    await examineSource(subject),
  ]
}

/** A server as it would be started here; what keeps it from that, where something does. */
async function subjectOf(directory: string | undefined, options: Options): Promise<Subject | Diagnosis> {
  try {
    if (options.config !== undefined) return await configOf({ config: options.config, ...(options.data ? { data: options.data } : {}) })
    const root = estateRoot(directory ?? '.')
    const dataDirectory = resolve(options.data ?? join(root, '.plumb'))
    return {
      environment: options.environment,
      source: { kind: 'worktree', root },
      dataDirectory,
      sealKeyPath: join(dataDirectory, 'keys', 'seal.key'),
      channels: { host: '127.0.0.1', port: 17_010 },
      admin: { host: '127.0.0.1', port: 8183 },
    }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    const places = error.issues.map(({ at, message }) => `${at ? `${at.path}:${at.line}:${at.column}: ` : ''}${message}`)
    return problem('configuration', [error.message, ...places].join('; '), 'Mend the configuration: plumb serve does not start with it')
  }
}

interface Served {
  readonly isServed: boolean
  readonly clocks: ReadonlyMap<string, number>
  readonly found: readonly Diagnosis[]
}

/** @param subject whose server is asked by its socket; null: the one that the options name */
async function examineServer(options: Options, subject: Subject | Diagnosis | null): Promise<Served> {
  const socket = subject !== null && 'environment' in subject ? socketIn(subject.dataDirectory) : null
  if (socket !== null && (await stat(socket).catch(() => null)) === null)
    return {
      isServed: false,
      clocks: new Map(),
      found: [skipped('server', 'No server runs here', 'plumb dev or plumb serve starts one; its connections are then looked at as well')],
    }
  try {
    await using client = await connect(socket === null ? options : { ...options, server: `unix:${socket}` })
    const kinds = [...builtinVocabulary().kinds.values()].filter(({ client }) => client !== null).map(({ name }) => name)
    const found = [
      examineVersion(version(), client.version),
      ...examineStatus(await client.get('status')),
      ...(await examineConnections(client, kinds)),
    ]
    return { isServed: true, clocks: client.clockMs === null ? new Map() : new Map([['the server', client.clockMs]]), found }
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    if (socket === null)
      return { isServed: false, clocks: new Map(), found: [problem('server', error.message, 'Start it, or see to the network between')] }
    return {
      isServed: false,
      clocks: new Map(),
      found: [skipped('server', 'No server runs here: its socket was left by one that was killed', 'plumb dev or plumb serve starts one')],
    }
  }
}

function isBroken(found: readonly Diagnosis[]): boolean {
  return found.some(({ status }) => status === 'problem')
}

const marks = { ok: ['green', '✓'], warning: ['yellow', '!'], problem: ['red', '✗'], skipped: ['gray', '-'] } as const

function print(found: readonly Diagnosis[]): void {
  const lines = table(found.map(({ check, message }) => [check, message])).split('\n')
  for (const [at, { status, next }] of found.entries()) {
    const [colour, mark] = marks[status]
    process.stdout.write(`${styleText(colour, mark, { stream: process.stdout })} ${lines[at]}\n`)
    if (next !== null) process.stdout.write(`    ${printable(next)}\n`)
  }
  const counted = (status: Diagnosis['status']) => found.filter(one => one.status === status).length
  process.stdout.write(`\n${counted('problem')} problems, ${counted('warning')} warnings\n`)
}
