import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { styleText } from 'node:util'
import { Command } from 'commander'
import { isObject, type Json, type JsonObject } from '../schema/json.ts'
import { readDuration, readLimit } from './arguments.ts'
import { ServerRefusal, UnreachableError } from './client.ts'
import { logLine, type Paint } from './log-line.ts'
import { printable } from './print.ts'
import { CommandError, connect, exit, finish, type Shared, talksToServer } from './run.ts'

interface Options extends Shared {
  readonly follow?: boolean
  readonly level?: string
  readonly service?: string
  readonly channel?: string
  readonly cid?: string
  readonly process?: string
  readonly grep?: string
  readonly since?: string
  readonly limit: string
}

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']
const mostLines = 1_000
const retryMs = 500
/** Lines that are known, so that none is printed twice when a stream is opened again. */
const maxKnown = 20_000

export function logsCommand(): Command {
  return talksToServer(new Command('logs'))
    .description('the log of all processes of a server: its newest lines, and with -f what comes')
    .option('-f, --follow', 'goes on with every line as it is written, across restarts of the control process')
    .option('--level <level>', `only this level and above: ${levels.join(', ')}`)
    .option('--service <name>', 'only lines of this service')
    .option('--channel <channel>', 'only lines of this channel, by ref or name')
    .option('--cid <id>', 'only lines of this correlation id')
    .option('--process <name>', 'only lines of this process, such as "worker 1" or control')
    .option('--grep <text>', 'only lines that have this text in them, in upper or lower case')
    .option('--since <duration>', 'only lines that are not older, such as 10m')
    .option('--limit <n>', 'how many of the newest lines', '100')
    .addHelpText('after', '\nExamples:\n  plumb logs --level warn --since 10m\n  plumb logs -f --service orders.quote')
    .action((options: Options) =>
      finish(options, async () => {
        const asked = read(options)
        const show = printer(options)
        // A reader such as head that has seen enough ends the command.
        process.stdout.on('error', () => process.exit(exit.done))
        if (options.follow) return await follow(options, asked, show)
        await using client = await connect(options)
        const { lines, missing } = await client.get(`logs?${queryOf(asked)}`)
        for (const line of list(lines).filter(asked.matches).slice(-asked.limit)) show(line)
        for (const name of Array.isArray(missing) ? missing : []) say(`${name} did not answer; its lines are missing`)
        return exit.done
      }),
    )
}

interface Asked {
  readonly fields: Readonly<Record<string, string>>
  readonly since: number | null
  readonly limit: number
  /** As the server is asked: what only this side can judge needs more to choose from. */
  readonly askedLimit: number
  matches(line: JsonObject): boolean
}

/** @throws CommandError */
function read({ level, service, channel, cid, process: name, grep, since, limit: limitText }: Options): Asked {
  if (level !== undefined && !levels.includes(level))
    throw new CommandError(`Cannot use --level as it is "${level}": ${levels.join(', ')} are accepted`, { status: exit.usage })
  const limit = readLimit(limitText)
  const given = Object.entries({ level, service, channel, cid, process: name })
  const wanted = grep?.toLowerCase()
  return {
    fields: Object.fromEntries(given.flatMap(([field, value]) => (value === undefined ? [] : [[field, value]]))),
    since: since === undefined ? null : Date.now() - readDuration('--since', since),
    limit,
    askedLimit: grep === undefined ? limit : mostLines,
    matches: line => wanted === undefined || logLine(line, plain).toLowerCase().includes(wanted),
  }
}

function queryOf({ fields, since, askedLimit }: Pick<Asked, 'fields' | 'since' | 'askedLimit'>): string {
  return new URLSearchParams({ ...fields, ...(since === null ? {} : { since: String(since) }), limit: String(askedLimit) }).toString()
}

/** Goes on until it is interrupted; only where no server was ever there it throws. */
async function follow(options: Options, asked: Asked, show: (line: JsonObject) => void): Promise<number> {
  process.on('SIGINT', () => process.exit(exit.done))
  const known = new Set<string>()
  const startedAt = Date.now()
  let since = asked.since
  let wasThere = false
  for (let isAway = false; ; ) {
    try {
      await using client = await connect(options)
      if (isAway) say('The server answers again')
      isAway = false
      const again = wasThere ? { ...asked, since: since ?? startedAt, askedLimit: mostLines } : asked
      wasThere = true
      for await (const { type, id, data } of client.stream(`logs/stream?${queryOf(again)}`)) {
        const found = JSON.parse(data) as Json // the server writes JSON
        if (!isObject(found)) continue
        if (type === 'dropped') say(`${found.lines} lines are missing here as there were too many`)
        if (type !== 'line' || known.has(id)) continue
        known.add(id)
        if (known.size > maxKnown) for (const oldest of known) if (known.delete(oldest)) break
        since = Math.max(since ?? 0, Number(found.time) || 0)
        if (asked.matches(found)) show(found)
      }
    } catch (error) {
      const mayPass = error instanceof UnreachableError || (error instanceof ServerRefusal && error.status === 503)
      if (!mayPass || !wasThere) throw error
    }
    if (!isAway) say('The server is away; its log goes on here once it answers')
    isAway = true
    await sleep(retryMs)
  }
}

/** With --json each line as the server wrote it, one object a line. */
function printer({ json }: Options): (line: JsonObject) => void {
  const paint: Paint = (style, text) => styleText(style, text, { stream: process.stdout })
  return line => void process.stdout.write(`${json ? JSON.stringify(line) : logLine(line, paint)}\n`)
}

const plain: Paint = (_style, text) => text

/** Of the log, not in it. */
function say(text: string): void {
  process.stderr.write(`${printable(text)}\n`)
}

function list(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
