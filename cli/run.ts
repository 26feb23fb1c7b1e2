// What every command shares: the choice of server, --json, exit statuses, and how a failure is told.

import { readFileSync } from 'node:fs'
import process from 'node:process'
import type { Command } from 'commander'
import type { Issue } from '../schema/issue.ts'
import type { JsonObject } from '../schema/json.ts'
import { type AdminClient, openClient, ServerRefusal, UnreachableError } from './client.ts'
import { fileReason } from './file-reason.ts'
import { printable, printIssues } from './print.ts'
import { withProgress } from './progress.ts'

/** Exit statuses of every command; documented in docs/cli.md. */
export const exit = { done: 0, failed: 1, changes: 2, waits: 3, usage: 64, unreachable: 69 } as const

export interface Shared {
  readonly json?: boolean
  readonly server?: string
  readonly tokenFile?: string
}

/** Input that cannot be used, found before any server is asked. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly status: number
  readonly issues: readonly Issue[]

  constructor(message: string, options: { readonly status?: number; readonly issues?: readonly Issue[] } = {}) {
    super(message)
    this.status = options.status ?? exit.failed
    this.issues = options.issues ?? []
  }
}

/** Adds the options that every command which talks to a server has. */
export function talksToServer(command: Command): Command {
  return command
    .option('--json', 'print the answer as JSON')
    .option('--server <url>', 'the server: a URL, or unix:PATH (default: PLUMB_SERVER, else the socket under .plumb/)')
    .option('--token-file <file>', 'file that holds the token (default: the token in PLUMB_TOKEN); the socket needs none')
}

/** Runs a command against its server and ends with the status it returns. `doing` is shown where an answer takes long, such as `Planning`. */
export async function withServer(options: Shared, doing: string, act: (client: Asking) => Promise<number>): Promise<void> {
  await withInput(options, doing, () => undefined, act)
}

/** What a command asks its server by. */
export type Asking = Pick<AdminClient, 'environment' | 'get' | 'post'>

/** The same for a command that is given something: `read` comes first, so that what is wrong with it is told without a server. */
export async function withInput<Input>(
  options: Shared,
  doing: string,
  read: () => Input | Promise<Input>,
  act: (client: Asking, input: Input) => Promise<number>,
): Promise<void> {
  const shown = <Result>(work: Promise<Result>) => withProgress(doing, work)
  await finish(options, async () => {
    const input = await shown((async () => await read())())
    await using client = await shown(connect(options))
    const { environment } = client
    const asking = {
      environment,
      get: (path: string) => shown(client.get(path)),
      post: (path: string, body: JsonObject) => shown(client.post(path, body)),
    }
    return await act(asking, input)
  })
}

/** The server that the options name. @throws UnreachableError, ServerRefusal, CommandError */
export function connect(options: Shared): Promise<AdminClient> {
  const token = tokenOf(options)
  return openClient({ ...(options.server ? { server: options.server } : {}), token })
}

/** Runs a command; tells what went wrong on stderr, or as JSON on stdout where that was asked for. */
export async function finish(options: Shared, act: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await act()
  } catch (error) {
    const issues = error instanceof ServerRefusal || error instanceof CommandError ? error.issues : []
    if (!(error instanceof Error)) throw error
    if (options.json)
      printJson({ error: { message: error.message, code: error instanceof ServerRefusal ? error.code : error.name, issues } })
    else {
      if (issues.length > 0) printIssues(issues, process.stderr)
      process.stderr.write(`${printable(error.message)}\n`)
    }
    process.exitCode = error instanceof UnreachableError ? exit.unreachable : error instanceof CommandError ? error.status : exit.failed
  }
}

function tokenOf({ tokenFile }: Shared): string | undefined {
  if (tokenFile === undefined) return process.env.PLUMB_TOKEN
  try {
    return readFileSync(tokenFile, 'utf8').trim()
  } catch (error) {
    const message = `Cannot read the token file "${tokenFile}" as ${fileReason(error)}: a file that holds the token alone is accepted`
    throw new CommandError(message, { status: exit.usage })
  }
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}
