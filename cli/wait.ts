import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { isObject, type JsonObject } from '../schema/json.ts'
import { readDuration, wholeNumber } from './arguments.ts'
import { ServerRefusal, UnreachableError } from './client.ts'
import { duration, printable } from './print.ts'
import { withProgress } from './progress.ts'
import { CommandError, connect, exit, finish, printJson, type Shared, talksToServer } from './run.ts'

interface Options extends Shared {
  readonly for: string
  readonly timeout: string
}

/** What can be waited for. */
export type Awaited = { readonly kind: 'ready' } | { readonly kind: 'synced' } | { readonly kind: 'generation'; readonly number: number }

const pollMs = 250
/** A server that starts refuses connections, or answers 503, for a moment; these say that waiting is of no use. */
const hopeless = new Set([400, 401, 403, 404])

export function waitCommand(): Command {
  return talksToServer(new Command('wait'))
    .description('waits, for scripts, until a server is as they need it; a server that is not there yet is waited for as well')
    .option(
      '--for <state>',
      'ready: every worker serves what is live; synced: the last pass left nothing to do; generation=N: N or a later one is live',
      'ready',
    )
    .option('--timeout <duration>', 'at most so long', '60s')
    .addHelpText(
      'after',
      '\nExamples:\n  plumb wait --for ready --timeout 60s\n  git push && plumb sync && plumb wait --for synced\n  plumb wait --for generation=12',
    )
    .action((options: Options) =>
      finish(options, async () => {
        const awaited = readAwaited(options.for)
        const timeoutMs = readDuration('--timeout', options.timeout)
        const startedAt = performance.now()
        const reason = await withProgress(`Waiting for ${options.for}`, waitFor(awaited, timeoutMs, options))
        const elapsedMs = Math.round(performance.now() - startedAt)
        if (options.json) printJson({ for: options.for, reached: reason === null, reason, elapsedMs })
        else if (reason === null) process.stdout.write(`Reached ${options.for} after ${duration(elapsedMs)}\n`)
        else
          process.stderr.write(
            `Cannot wait longer for ${options.for} as ${options.timeout} are over: ${printable(reason)}; plumb status shows more\n`,
          )
        return reason === null ? exit.done : exit.failed
      }),
    )
}

/** Null once it is so; after `timeoutMs` the reason why it is not. Rejects where waiting is of no use. */
async function waitFor(awaited: Awaited, timeoutMs: number, options: Shared): Promise<string | null> {
  const giveUpAt = performance.now() + timeoutMs
  for (;;) {
    const reason = await lookOnce(awaited, options)
    if (reason === null || performance.now() >= giveUpAt) return reason
    await sleep(Math.min(pollMs, Math.max(0, giveUpAt - performance.now())))
  }
}

async function lookOnce(awaited: Awaited, options: Shared): Promise<string | null> {
  try {
    await using client = await connect(options)
    return missingFor(awaited, await client.get('status'))
  } catch (error) {
    if (error instanceof UnreachableError || (error instanceof ServerRefusal && !hopeless.has(error.status))) return error.message
    throw error
  }
}

/** What of a status keeps `awaited` from being so; null where it is. */
export function missingFor(awaited: Awaited, status: JsonObject): string | null {
  const live = isObject(status.live) ? status.live : {}
  const generation = Number(live.generation ?? 0)
  switch (awaited.kind) {
    case 'ready':
      return generation === 0 ? `no generation is live${causeOf(status)}` : notServing(status)
    case 'generation':
      return generation >= awaited.number ? notServing(status) : `generation ${generation} is live${causeOf(status)}`
    case 'synced':
      return notSynced(status) ?? notServing(status)
  }
}

function notServing({ workers }: JsonObject): string | null {
  const all = Array.isArray(workers) ? workers.filter(isObject) : []
  const late = all.filter(({ state }) => state !== 'serving')
  if (all.length > 0 && late.length === 0) return null
  return all.length === 0 ? 'no worker is connected' : `worker ${late.map(({ id, state }) => `${id} is ${state}`).join(', worker ')}`
}

function notSynced(status: JsonObject): string | null {
  const last = isObject(status.lastSync) ? status.lastSync : null
  if (last === null) return 'no pass has ended yet'
  const isReconciling = conditionsOf(status).some(({ type, status: holds }) => type === 'Reconciling' && holds === true)
  if (isReconciling) return 'a pass is under way'
  return last.kind === 'live' || last.kind === 'nothing' ? null : `the last pass ended ${last.kind}${causeOf(status)}`
}

/** Why the last pass brought nothing, behind a colon; empty where it says nothing. */
function causeOf({ lastSync }: JsonObject): string {
  const reasons = isObject(lastSync) && Array.isArray(lastSync.reasons) ? lastSync.reasons : []
  return reasons.length === 0 ? '' : `: ${reasons[0]}`
}

function conditionsOf({ conditions }: JsonObject): JsonObject[] {
  return Array.isArray(conditions) ? conditions.filter(isObject) : []
}

/** @throws CommandError */
export function readAwaited(text: string): Awaited {
  if (text === 'ready' || text === 'synced') return { kind: text }
  const [, number] = /^generation=(.*)$/.exec(text) ?? []
  if (number !== undefined) return { kind: 'generation', number: wholeNumber('--for generation', number, { min: 1 }) }
  throw new CommandError(`Cannot wait for "${text}": ready, synced and generation=N are accepted`, { status: exit.usage })
}
