// Writes down who asks for a change, before it is made, and how it ended. What cannot be written down is not done.
//
// Refusals are collapsed: the first of its kind is a row at once, what follows is counted and becomes one row at the end of the window.
// Only so many kinds have a row of their own, so that a flood from many addresses is a few rows as well.

import type { Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import { isObject, type JsonObject } from '../../schema/json.ts'
import type { AuditEntry, AuditStore } from '../store/audit.ts'
import { networkOf } from './attempts.ts'
import { type Actor, Refusal } from './port.ts'
import type { Call, Row } from './route.ts'

export interface Refused {
  /** Null where nobody knows. */
  readonly actor: Actor | null
  readonly address: string | null
  /** Id of the token that a wrong one pretended to be. */
  readonly claimed: string | null
  readonly row: Row | null
  readonly method: string
  readonly refusal: Refusal
  readonly cid: string
}

export interface Recorder {
  /** Runs what may change something between its two rows. @throws Refusal 503 where the first cannot be written: then nothing was done */
  recorded<Answer extends JsonObject | string>(row: Row, call: Call, cid: string, run: () => Promise<Answer>): Promise<Answer>
  /** Takes note of a request that was refused before it could do anything. */
  refused(refused: Refused): void
  /** Writes what was counted and not yet written. */
  close(): Promise<void>
}

export interface RecorderOptions {
  readonly store: Pick<AuditStore, 'appendAudit'>
  readonly log: Log
  /** ms */
  readonly now?: () => number
  readonly windowMs?: number
}

const defaultWindowMs = 5 * 60_000
/** Kinds of refusals that have rows of their own in one window. At most 33 rows in five minutes: 5 MB a day at worst. */
const maxKinds = 16

export function createRecorder({ store, log, now = Date.now, windowMs = defaultWindowMs }: RecorderOptions): Recorder {
  const iso = () => new Date(now()).toISOString()
  const kinds = new Map<string, { readonly entry: AuditEntry; count: number }>()
  const others = { count: 0, addresses: new Set<string>() }
  let timer: NodeJS.Timeout | null = null
  const writing = new Set<Promise<void>>()

  return {
    async recorded(row, call, cid, run) {
      const { actor } = call
      const base = { ...whoIs(actor), address: actor.address, action: row.id, target: targetOf(row, call), event: null }
      const detail = { ...row.audit?.detail?.(call), cid }
      const asked = await store.appendAudit({ ...base, at: iso(), outcome: 'asked', detail }).catch((error: unknown) => {
        log.error({ cid, reason: messageOf(error) }, 'A change is refused as the audit cannot be written')
        throw new Refusal(
          503,
          'AUDIT_UNAVAILABLE',
          'Cannot take the request as it cannot be written down who asked for it: the store of the server refuses to write, and the log says why; nothing was done',
        )
      })
      const ended = (outcome: AuditEntry['outcome'], found: JsonObject) =>
        // What was done is done: the row that said it was asked for stands.
        append({ ...base, at: iso(), outcome, detail: { of: asked.seq, ...found } })
      try {
        const answer = await run()
        await ended('done', typeof answer === 'string' ? {} : resultIn(answer))
        return answer
      } catch (error) {
        if (error instanceof Refusal) await ended('refused', { status: error.status, code: error.code })
        else await ended('failed', {})
        throw error
      }
    },
    refused(refused) {
      const { address, refusal, cid } = refused
      const entry = entryOf(refused, iso())
      const network = address === null ? '' : networkOf(address)
      const key = JSON.stringify([entry.outcome, refusal.code, entry.action, entry.actor, entry.token, network])
      timer ??= setTimeout(flush, windowMs).unref()
      const known = kinds.get(key)
      if (known) known.count++
      else if (kinds.size < maxKinds) {
        kinds.set(key, { entry, count: 0 })
        if (refusal.status === 401)
          log.warn({ address, cid, code: refusal.code, token: entry.token }, 'A wrong token was presented to the admin API')
        later(entry)
      } else {
        others.count++
        if (others.addresses.size < 1000) others.addresses.add(network)
      }
    },
    async close() {
      flush()
      await Promise.all(writing)
    },
  }

  function flush(): void {
    if (timer) clearTimeout(timer)
    timer = null
    for (const { entry, count } of kinds.values())
      if (count > 0) later({ ...entry, at: iso(), detail: { ...entry.detail, more: count, since: entry.at } })
    if (others.count > 0) {
      const detail = { more: others.count, networks: others.addresses.size }
      log.warn(detail, 'Many requests to the admin API are refused')
      later({ ...nobody, at: iso(), address: null, token: null, action: 'request', target: null, outcome: 'denied', detail, event: null })
    }
    kinds.clear()
    others.count = 0
    others.addresses.clear()
  }

  function later(entry: AuditEntry): void {
    const written = append(entry).finally(() => writing.delete(written))
    writing.add(written)
  }

  async function append(entry: AuditEntry): Promise<void> {
    try {
      await store.appendAudit(entry)
    } catch (error) {
      log.error({ action: entry.action, outcome: entry.outcome, actor: entry.actor, reason: messageOf(error) }, 'Cannot write to the audit')
    }
  }
}

const nobody = { actor: 'nobody', via: 'nobody', role: null } as const

function whoIs(actor: Actor): Pick<AuditEntry, 'actor' | 'via' | 'role' | 'token'> {
  return { actor: actor.name, via: actor.via, role: actor.role, token: actor.token }
}

function entryOf({ actor, address, claimed, row, method, refusal, cid }: Refused, at: string): AuditEntry {
  const { status, code } = refusal
  return {
    ...(actor ? whoIs(actor) : { ...nobody, token: claimed }),
    ...{ at, address, action: row?.id ?? 'request', target: null, event: null },
    outcome: status === 401 || status === 403 || status === 429 ? 'denied' : 'refused',
    detail: { method, status, code, cid },
  }
}

function targetOf(row: Row, call: Call): string | null {
  if (row.audit?.target) return row.audit.target(call)
  const named = Object.entries(call.params).filter(([name]) => name !== 'environment')
  return named.length === 0 ? null : named.map(([, value]) => value).join(' ')
}

/** What an answer says of a change: short names and numbers, and nothing that a service answered. */
function resultIn(answer: JsonObject): JsonObject {
  const outcome = isObject(answer.outcome) ? answer.outcome : {}
  const plan = isObject(answer.plan) ? answer.plan : {}
  const found = {
    id: answer.id,
    plan: plan.id ?? outcome.plan,
    kind: outcome.kind,
    code: outcome.code,
    serial: outcome.serial,
    generation: outcome.generation,
  }
  const isShort = (value: unknown) => typeof value === 'number' || (typeof value === 'string' && /^[\w.-]{1,128}$/.test(value))
  return Object.fromEntries(Object.entries(found).filter(([, value]) => isShort(value))) as JsonObject // what passed is a number or a text
}
