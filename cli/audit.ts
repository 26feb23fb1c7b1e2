import { Command } from 'commander'
import { isObject, type JsonObject } from '../schema/json.ts'
import { readLimit, wholeNumber } from './arguments.ts'
import { table } from './print.ts'
import { type Asking, CommandError, exit, printJson, type Shared, talksToServer, withInput } from './run.ts'

interface Options extends Shared {
  readonly limit: string
  readonly before?: string
  readonly since?: string
  readonly until?: string
  readonly actor?: string
  readonly action?: string
  readonly outcome?: string
  readonly verify?: boolean
  readonly head?: string
}

export function auditCommand(): Command {
  return talksToServer(new Command('audit'))
    .description('who changed what, from where; newest first')
    .option('--limit <n>', 'at most so many', '50')
    .option('--before <number>', 'earlier than this row')
    .option('--since <time>', 'from then on: a time such as 2026-01-31T12:00:00Z, or so long ago, such as 2h or 7d')
    .option('--until <time>', 'up to then, written likewise')
    .option('--actor <name>', 'as the rows have it, or the name of a token without its id')
    .option('--action <action>', 'an operation of the API, or the type of an event')
    .option('--outcome <outcome>', 'asked, done, refused, failed or denied')
    .option('--verify', 'recomputes the chain of hashes, and names the first row that is not as it was written')
    .option('--head <number:hash>', 'with --verify: a row that was noted elsewhere and must be there unchanged')
    .addHelpText('after', '\nExamples:\n  plumb audit --since 24h --actor ci\n  plumb audit --verify --head 120:3f5c…')
    .action((options: Options) =>
      withInput(
        options,
        options.verify ? 'Verifying the audit' : 'Reading the audit',
        () => readQuery(options, Date.now()),
        (client, query) => (options.verify ? verify(client, query, options) : list(client, query, options)),
      ),
    )
}

async function list(client: Asking, query: URLSearchParams, options: Options): Promise<number> {
  const found = await client.get(`audit?${query}`)
  if (options.json) printJson(found)
  else {
    const rows = Array.isArray(found.rows) ? found.rows.filter(isObject) : []
    process.stdout.write(
      table([
        ['ROW', 'AT', 'WHO', 'FROM', 'WHAT', 'OF', 'OUTCOME', 'DETAIL'],
        ...rows.map(row => [
          ...[String(row.seq), String(row.at), String(row.actor), String(row.address ?? row.via), String(row.action)],
          ...[String(row.target ?? '-'), String(row.outcome), detailOf(row)],
        ]),
      ]),
    )
    if (found.next !== null) process.stderr.write(`There are more: plumb audit --before ${found.next}\n`)
  }
  return exit.done
}

async function verify(client: Asking, query: URLSearchParams, options: Options): Promise<number> {
  const found = await client.get(`audit/verify?${query}`)
  const { broken, head } = found
  if (options.json) printJson(found)
  else if (isObject(broken)) process.stderr.write(`Cannot trust the audit from row ${broken.seq} on as ${broken.reason}\n`)
  else if (isObject(head)) process.stdout.write(`${found.rows} rows are as they were written; the last is ${head.seq}:${head.hash}\n`)
  else process.stdout.write('The audit has no row\n')
  return isObject(broken) ? exit.failed : exit.done
}

function detailOf(row: JsonObject): string {
  return isObject(row.detail)
    ? Object.entries(row.detail)
        .filter(([name, value]) => name !== 'cid' && value !== null)
        .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
        .join(' ')
    : ''
}

function readQuery(options: Options, now: number): URLSearchParams {
  const { head, before, since, until, actor, action, outcome } = options
  if (options.verify) {
    if (head === undefined) return new URLSearchParams()
    const [, seq = '', hash = ''] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(head) ?? []
    if (seq === '') throw usage('--head', head, 'the number of a row, a colon and its hash, as plumb audit --verify prints them,')
    return new URLSearchParams({ seq, hash })
  }
  if (head !== undefined) throw usage('--head', head, 'it beside --verify')
  return new URLSearchParams({
    limit: String(readLimit(options.limit)),
    ...(before === undefined ? {} : { before: String(wholeNumber('--before', before, { min: 1 })) }),
    ...(since === undefined ? {} : { since: readTime('--since', since, now) }),
    ...(until === undefined ? {} : { until: readTime('--until', until, now) }),
    ...(actor === undefined ? {} : { actor }),
    ...(action === undefined ? {} : { action }),
    ...(outcome === undefined ? {} : { outcome }),
  })
}

const millisecondsIn: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

function readTime(flag: string, text: string, now: number): string {
  const [, amount, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const ms =
    amount === undefined ? Date.parse(/^\d{4}-\d\d-\d\d/.test(text) ? text : '') : now - Number(amount) * (millisecondsIn[unit] ?? 0)
  if (Number.isNaN(ms)) throw usage(flag, text, 'a time such as 2026-01-31T12:00:00Z, or so long ago, such as 2h or 7d,')
  return new Date(ms).toISOString()
}

function usage(flag: string, given: string, accepted: string): CommandError {
  return new CommandError(`Cannot use ${flag} as it is ${JSON.stringify(given)}: ${accepted} is accepted`, { status: exit.usage })
}
