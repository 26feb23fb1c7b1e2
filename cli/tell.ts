// What `plumb dev` says in the terminal: what went live and how fast, and what is wrong, with its place and the way out.

import type { Events } from '../engine/admin/port.ts'
import type { Issue } from '../schema/issue.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { duration, printable, printIssues } from './print.ts'

export function tellPeople(events: Events): void {
  events.subscribe(({ type, body }) => {
    const line = tellers[type]?.(body)
    if (line) process.stdout.write(`${printable(line)}\n`)
    if (type === 'sync.failed' && Array.isArray(body.issues)) printIssues(body.issues as unknown as Issue[], process.stdout) // as sync writes them
  })
}

const tellers: Readonly<Record<string, (body: JsonObject) => string | null>> = {
  'sync.applied': body => `Live: generation ${body.generation} after ${duration(Number(body.elapsedMs))}`,
  'sync.failed': body => {
    const reasons = Array.isArray(body.reasons) ? body.reasons.map(String) : []
    const issues = Array.isArray(body.issues) ? body.issues.filter(isObject) : []
    return [`Not applied, what was live stays live${issues.length > 0 ? ':' : ''}`, ...(issues.length > 0 ? [] : reasons)].join('\n')
  },
  'sync.nothing': () => 'No changes: what is live is what is saved',
  'sync.held': body => `Waiting: plan ${body.plan}`,
  'worker.blamed': body => `Worker ${body.pid} ended: ${body.ref} ${body.reason}`,
  'service.quarantined': body => `${body.ref} answers 503 until it changes, as it ended ${body.kills} workers`,
}
