// What a server says of itself: every event of the journal as one line. Under `plumb serve` that is a structured log line; in the terminal
// of `plumb dev` only what matters to whoever saves files, in words and with every place.

import type { Log } from '../adapters/port.ts'
import type { Events } from '../engine/admin/port.ts'
import type { Issue } from '../schema/issue.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { duration, printable, printIssues } from './print.ts'

/** Fields are those that are named below: an event may hold what is no log's business. */
export function logEvents(events: Events, log: Log): void {
  events.subscribe(({ seq, type, body }) => {
    const { level, message } = tellings[type] ?? { level: 'info', message: type }
    log[level]({ seq, type, ...fieldsOf(body) }, typeof message === 'string' ? message : message(body))
  })
}

/** Warnings are printed in full when they change, and counted where they are the ones of before. */
export function tellPeople(events: Events, stream: NodeJS.WriteStream = process.stdout): void {
  let warnedOf = ''
  events.subscribe(({ type, body }) => {
    const line = tellings[type]?.say?.(body)
    if (!line) return
    const issues = issuesIn(body)
    const isRefused = type === 'sync.failed'
    const said = JSON.stringify(issues)
    const isKnown = !isRefused && issues.length > 0 && said === warnedOf
    if (!isRefused) warnedOf = said
    stream.write(`${printable(line)}${isKnown ? `, ${warnings(issues.length)} as before` : ''}\n`)
    if (!isKnown) printIssues(issues, stream)
  })
}

interface Telling {
  readonly level: 'info' | 'warn'
  readonly message: string | ((body: JsonObject) => string)
  /** What `plumb dev` says; absent: nothing. */
  readonly say?: (body: JsonObject) => string
}

const tellings: Readonly<Record<string, Telling>> = {
  'sync.started': { level: 'info', message: 'Looking at a revision' },
  'sync.applied': {
    level: 'info',
    message: 'The revision is live',
    say: body => `Live: generation ${body.generation} after ${duration(Number(body.elapsedMs))}`,
  },
  'sync.nothing': {
    level: 'info',
    message: 'The revision changes nothing that runs',
    say: () => 'No changes: what is live is what is saved',
  },
  'sync.held': { level: 'warn', message: 'The revision waits for somebody', say: body => `Waiting: plan ${body.plan}` },
  'sync.failed': {
    level: 'warn',
    message: body => (body.kind === 'refused' ? 'The revision is refused; what was live stays live' : 'Cannot look for a revision'),
    say: body =>
      issuesIn(body).length > 0
        ? 'Not applied, what was live stays live:'
        : ['Not applied, what was live stays live', ...list(body.reasons).map(String)].join('\n'),
  },
  'sync.recovered': { level: 'info', message: 'The source answers again' },
  'apply.applied': { level: 'info', message: 'A plan or an upload was applied' },
  'apply.refused': { level: 'warn', message: 'A plan or an upload was refused; what was live stays live' },
  'generation.live': { level: 'info', message: 'A generation is live' },
  'probation.passed': { level: 'info', message: 'The live generation has passed its probation' },
  'probation.cut': { level: 'info', message: 'Somebody ended the probation of the live generation' },
  'probation.failed': { level: 'warn', message: 'A generation failed its probation; the one before it is live again' },
  rollback: { level: 'warn', message: 'Somebody rolled back' },
  'token.first': { level: 'info', message: 'A first token was made, which can be exchanged once' },
  'token.exchanged': { level: 'info', message: 'The first token was exchanged for one of an admin' },
  'token.created': { level: 'info', message: 'A token was made' },
  'token.revoked': { level: 'info', message: 'A token was revoked' },
  'token.migrated': { level: 'warn', message: 'The token of before has an id now, and expires' },
  'marks.cleared': { level: 'info', message: 'What was judged bad may be tried again' },
  'task.dead': {
    level: 'warn',
    message: 'An asynchronous call has used up its attempts, or can never pass: it is a dead letter',
    say: body => `Dead letter: ${body.service} after attempt ${body.attempts}: ${body.reason}; plumb queue show ${body.id}`,
  },
  'task.resubmitted': { level: 'info', message: 'Somebody resubmitted dead letters' },
  'task.discarded': { level: 'info', message: 'Somebody discarded an asynchronous call' },
  'job.failed': {
    level: 'warn',
    message: 'A run of a job failed',
    say: body => `Job "${body.job}" failed: ${body.reason}; plumb jobs runs ${body.job}`,
  },
  'job.unknown': {
    level: 'warn',
    message: 'Nobody knows how a run of a job ended, as what ran it is gone',
    say: body => `Job "${body.job}" may or may not have run: ${body.reason}`,
  },
  'job.skipped': { level: 'warn', message: 'A run of a job was skipped' },
  'job.paused': { level: 'info', message: 'Somebody paused a job' },
  'job.resumed': { level: 'info', message: 'Somebody resumed a job' },
  'jobs.clock': { level: 'warn', message: 'The clock of this machine jumped; times that are over go by the misfire policy of each job' },
  'deploy.superseded': {
    level: 'warn',
    message: 'A commit has replaced deployed files',
    say: body => String(body.message),
  },
  'debugger.attached': {
    level: 'warn',
    message: 'A debugger is attached to a worker',
    say: body => `Debugger attached to worker ${body.worker} by ${body.actor}`,
  },
  'debugger.detached': {
    level: 'info',
    message: 'A debugger has left its worker',
    say: body => `Debugger left worker ${body.worker}: ${body.reason}`,
  },
  'worker.gone': { level: 'info', message: 'A worker is gone' },
  'worker.blamed': {
    level: 'warn',
    message: 'A service ended a worker',
    say: body => `Worker ${body.pid} ended: ${body.ref} ${body.reason}`,
  },
  'worker.unexplained': { level: 'warn', message: 'Cannot say what ended a worker' },
  'service.quarantined': {
    level: 'warn',
    message: 'A service answers 503 until it changes, as it ended too many workers',
    say: body => `${body.ref} answers 503 until it changes, as it ended ${body.kills} workers`,
  },
  'certificate.renewed': { level: 'info', message: 'A renewed certificate is served' },
  'certificate.valid': { level: 'info', message: 'The certificate is served as configured' },
  'certificate.invalid': { level: 'warn', message: 'A certificate or its key is not as it should be' },
  'certificate.expiring': { level: 'warn', message: 'A certificate is about to expire' },
  'certificate.unkept': { level: 'warn', message: 'Cannot keep the certificate for a start with bad files' },
  'store.failed': { level: 'warn', message: 'Cannot write to the store' },
}

const fields = [
  ...['revision', 'serial', 'generation', 'failed', 'from', 'to', 'summary', 'elapsedMs', 'failedAt', 'plan', 'holds', 'mark', 'cleared'],
  ...['dropped', 'code', 'fault', 'issueCount', 'ref', 'worker', 'pid', 'kills', 'id', 'name', 'role', 'expiresAt', 'actor', 'reason'],
  ...['service', 'cid', 'attempts', 'status', 'count', 'address', 'job', 'run', 'nominal', 'note', 'jumpMs', 'path'],
]
/** Of a list; the journal has the others. */
const maxTold = 5

function fieldsOf({ outcome, ...rest }: JsonObject): JsonObject {
  const body = isObject(outcome) ? { ...rest, ...outcome } : rest
  const found = fields.map(name => [name, body[name]] as const).filter(([, value]) => value !== undefined && value !== null)
  const issues = issuesIn(body).slice(0, maxTold)
  const reasons = list(body.reasons).slice(0, maxTold)
  return {
    ...Object.fromEntries(found.map(([name, value]) => [name, Array.isArray(value) ? value.slice(0, maxTold) : value])),
    // The reasons are the sentences of the issues, where there are any.
    ...(issues.length > 0 ? { issues: issues.map(placed) } : reasons.length > 0 ? { reasons } : {}),
  }
}

function placed({ at, severity, code, message }: Issue): JsonObject {
  return { ...(at ? { at: `${at.path}:${at.line}:${at.column}` } : {}), severity, code, message }
}

function issuesIn(body: JsonObject): readonly Issue[] {
  return list(body.issues) as unknown as readonly Issue[] // as sync writes them
}

function list(value: unknown): JsonObject[keyof JsonObject][] {
  return Array.isArray(value) ? value : []
}

function warnings(count: number): string {
  return count === 1 ? '1 warning' : `${count} warnings`
}
