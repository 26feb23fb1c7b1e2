// What every command shares: the choice of server, --json, exit statuses, and how a failure is told.

import { readFileSync } from 'node:fs'
import process from 'node:process'
import type { Command } from 'commander'
import type { Issue } from '../schema/issue.ts'
import type { JsonObject } from '../schema/json.ts'
import { isLoopback } from '../schema/network.ts'
import {
  type AdminClient,
  type ClientTls,
  type Connection,
  openClient,
  openConnection,
  type ServerChoice,
  ServerRefusal,
  UnreachableError,
} from './client.ts'
import { fileReason } from './file-reason.ts'
import { printable, printIssues } from './print.ts'
import { withProgress } from './progress.ts'

/** Exit statuses of every command; documented in docs/cli.md. */
export const exit = { done: 0, failed: 1, changes: 2, waits: 3, usage: 64, unreachable: 69 } as const

export interface Shared {
  readonly json?: boolean
  readonly server?: string
  readonly tokenFile?: string
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
  readonly insecureHttp?: boolean
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
    .option('--ca-file <file>', 'who signs the server, in PEM (default: PLUMB_CA_FILE, else whom this machine trusts)')
    .option('--cert-file <file>', 'certificate to show to the server, in PEM (default: PLUMB_CERT_FILE)')
    .option('--key-file <file>', 'its private key, in PEM (default: PLUMB_KEY_FILE)')
    .option('--insecure-http', 'send the token in plain text, where the server is on another machine and speaks no TLS')
}

/** Runs a command against its server and ends with the status it returns. `doing` is shown where an answer takes long, such as `Planning`. */
export async function withServer(options: Shared, doing: string, act: (client: Asking) => Promise<number>): Promise<void> {
  await withInput(options, doing, () => undefined, act)
}

/** What a command asks its server by. */
export type Asking = Pick<AdminClient, 'environment' | 'get' | 'post' | 'delete'>

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
      delete: (path: string) => shown(client.delete(path)),
    }
    return await act(asking, input)
  })
}

/** The server that the options name. @throws UnreachableError, ServerRefusal, CommandError */
export function connect(options: Shared, signal?: AbortSignal): Promise<AdminClient> {
  return openClient({ ...choiceOf(options), ...(signal ? { signal } : {}) })
}

/** The same where the token is good for nothing but the one request. @throws UnreachableError, CommandError */
export function connectBarely(options: Shared): Promise<Connection> {
  return openConnection(choiceOf(options))
}

/** @throws CommandError */
function choiceOf(options: Shared): ServerChoice {
  const { server = process.env.PLUMB_SERVER } = options
  const token = tokenOf(options)
  if (token !== undefined && !options.insecureHttp && isPlainElsewhere(server))
    throw new CommandError(
      `Cannot send the token to ${server} as everybody on the way could read it: a server with https://, or one of this machine, is accepted; --insecure-http sends it all the same`,
      { status: exit.usage },
    )
  return { ...(server ? { server } : {}), token, ...tlsOf(options) }
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

function isPlainElsewhere(server = ''): boolean {
  if (!URL.canParse(server)) return false
  const { protocol, hostname } = new URL(server)
  return protocol === 'http:' && hostname !== 'localhost' && !isLoopback(hostname.replace(/^\[|\]$/g, ''))
}

/** @throws CommandError */
function tlsOf(options: Shared): { readonly tls?: ClientTls } {
  const { PLUMB_CA_FILE, PLUMB_CERT_FILE, PLUMB_KEY_FILE } = process.env
  const files = {
    ca: options.caFile ?? PLUMB_CA_FILE,
    cert: options.certFile ?? PLUMB_CERT_FILE,
    key: options.keyFile ?? PLUMB_KEY_FILE,
  }
  if ((files.cert === undefined) !== (files.key === undefined))
    throw new CommandError('Cannot show a certificate as one of --cert-file and --key-file is missing; give both', { status: exit.usage })
  const given = Object.entries(files).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return given.length === 0 ? {} : { tls: Object.fromEntries(given.map(([name, path]) => [name, pemOf(path)])) }
}

function pemOf(path: string): string {
  try {
    const text = readFileSync(path, 'utf8')
    if (text.includes('-----BEGIN ')) return text
  } catch (error) {
    throw new CommandError(`Cannot read "${path}" as ${fileReason(error)}: a file in PEM is accepted`, { status: exit.usage })
  }
  throw new CommandError(`Cannot use "${path}" as it is not in PEM`, { status: exit.usage })
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}
