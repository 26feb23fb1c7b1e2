// Brings into the audit what no request caused. It reads the journal from where it was last, so that nothing is missed that happened
// while the process was starting, was killed, or could not write; an event has one row, however often it is read.

import type { Log } from '../../adapters/port.ts'
import { messageOf } from '../../adapters/redact.ts'
import type { Json, JsonObject } from '../../schema/json.ts'
import type { AuditEntry } from '../store/audit.ts'
import type { JournalEvent, Store } from '../store/port.ts'
import { auditedEvents } from './audited-events.ts'
import type { Events } from './port.ts'

export interface AuditFeedOptions {
  readonly store: Pick<Store, 'readJournal' | 'appendAudit' | 'lastAuditedEvent' | 'getSetting' | 'putSetting'>
  readonly events: Events
  readonly log: Log
  readonly retryMs?: number
}

const pageSize = 500
const cursorSetting = 'audit.cursor'

/** Never rejects: what cannot be written is tried again. Disposing it waits for what has happened. */
export function feedAudit({ store, events, log, retryMs = 10_000 }: AuditFeedOptions): AsyncDisposable {
  const state = { cursor: -1, isFailing: false, isEnding: false, again: false }
  let running: Promise<void> | null = null
  let retry: NodeJS.Timeout | null = null
  const unsubscribe = events.subscribe(wake)
  wake()
  return {
    async [Symbol.asyncDispose]() {
      state.isEnding = true
      unsubscribe()
      if (retry) clearTimeout(retry)
      wake()
      while (running) await running
    },
  }

  function wake(): void {
    state.again = true
    running ??= pump().finally(() => {
      running = null
      // Told between the last look and here.
      if (state.again && !state.isFailing) wake()
    })
  }

  async function pump(): Promise<void> {
    try {
      if (state.cursor < 0) state.cursor = Math.max(await store.lastAuditedEvent(), Number((await store.getSetting(cursorSetting)) ?? 0))
      while (state.again) {
        state.again = false
        while (await page()) {
          // Kept now and then, as a start must not read all of a long journal again.
          await store.putSetting(cursorSetting, String(state.cursor))
        }
      }
      state.isFailing = false
    } catch (error) {
      if (!state.isFailing) log.error({ reason: messageOf(error) }, 'Cannot write to the audit; it is tried again until it can be')
      state.isFailing = true
      if (!state.isEnding) retry = setTimeout(wake, retryMs).unref()
    }
  }

  /** Whether there may be more. */
  async function page(): Promise<boolean> {
    const found = await store.readJournal(state.cursor, pageSize)
    for (const event of found) {
      if (auditedEvents[event.type] ?? true) await store.appendAudit(entryOf(event))
      state.cursor = event.seq
    }
    return found.length === pageSize
  }
}

/** Fields that say what changed; an event may hold what is too long for a row. */
const told = [
  ...['id', 'name', 'role', 'serial', 'generation', 'revision', 'reason', 'summary', 'plan', 'kind', 'code', 'mark', 'issueCount'],
  ...['from', 'to', 'failed', 'kills', 'expiresAt', 'worker'],
] as const
const maxTextLength = 500

function entryOf({ seq, at, type, body }: JournalEvent): AuditEntry {
  const { actor, ref, address } = body
  return {
    ...{ at, actor: typeof actor === 'string' ? actor : 'plumb', via: 'server', role: null, token: null, action: type },
    address: typeof address === 'string' ? address : null,
    target: typeof ref === 'string' ? ref : null,
    outcome: type.endsWith('.failed') ? 'refused' : 'done',
    detail: detailOf(body),
    event: seq,
  }
}

function detailOf(body: JsonObject): JsonObject {
  const short = (value: Json): Json => (typeof value === 'string' ? value.slice(0, maxTextLength) : value)
  return Object.fromEntries(
    told.flatMap(name => {
      const value = body[name]
      return value === undefined || value === null ? [] : [[name, short(value)]]
    }),
  )
}
