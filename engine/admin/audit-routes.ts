// The routes of the audit. Admins read it, as it says who does what from where; a token with the role admin and the scope audit alone
// is one for auditors.

import type { AuditQuery } from '../store/audit.ts'
import { verifyAudit } from './audit-verify.ts'
import { Refusal } from './port.ts'
import { environmentPrefix, json, object, type Row, textIn } from './route.ts'

const number = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER }
const time = {
  type: 'string',
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d(?::\\d\\d(?:\\.\\d{1,3})?)?Z$',
  description: 'A time such as 2026-01-31T12:00:00Z',
}

export const rows: readonly Row[] = [
  {
    id: 'audit',
    method: 'GET',
    path: `${environmentPrefix}/audit`,
    summary: 'Who changed what, from where; newest first, or oldest first from after a number',
    role: 'admin',
    scope: 'audit',
    query: object({
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
      after: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'Only later rows, oldest first' },
      before: { ...number, description: 'Only earlier rows' },
      since: time,
      until: time,
      actor: { type: 'string', minLength: 1, maxLength: 200, description: 'As the rows have it, or the name of a token without its id' },
      action: { type: 'string', minLength: 1, maxLength: 100, description: 'The operationId of a route, or the type of an event' },
      outcome: { type: 'string', enum: ['asked', 'done', 'refused', 'failed', 'denied'] },
    }),
    answer: json('{ rows, next }; next is what after or before goes on with, null at the end'),
    async run({ query }, { audit }) {
      const wanted: AuditQuery = {
        limit: Number(query.limit),
        ...(query.after === undefined ? {} : { after: Number(query.after) }),
        ...(query.before === undefined ? {} : { before: Number(query.before) }),
        ...timeIn(textIn(query, 'since')),
        ...timeIn(textIn(query, 'until')),
        ...textIn(query, 'actor'),
        ...textIn(query, 'action'),
        ...textIn(query, 'outcome'),
      }
      const found = await audit.readAudit(wanted)
      return { rows: found.map(row => ({ ...row })), next: found.length < wanted.limit ? null : (found.at(-1)?.seq ?? null) }
    },
  },
  {
    id: 'verifyAudit',
    method: 'GET',
    path: `${environmentPrefix}/audit/verify`,
    summary: 'Recomputes the chain of the audit and names the first row that is not as it was written',
    role: 'admin',
    scope: 'audit',
    query: object({
      seq: { ...number, description: 'Number of a row whose hash was noted elsewhere' },
      hash: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'Its hash, 64 hex digits' },
    }),
    answer: json('{ rows, first, head, broken }; broken is null where all is as it was written'),
    async run({ query }, { audit }) {
      if ((query.seq === undefined) !== (query.hash === undefined))
        throw new Refusal(
          400,
          'REQUEST_INVALID',
          'Cannot take the request as its query names one of "seq" and "hash": both or neither are accepted',
        )
      const known = query.seq === undefined ? null : { seq: Number(query.seq), hash: String(query.hash) }
      return { ...(await verifyAudit(audit, known)) }
    },
  },
]

/** Rows have milliseconds, and are compared as text. */
function timeIn<Field extends 'since' | 'until'>(found: { readonly [N in Field]?: string }): { readonly [N in Field]?: string } {
  const entries = Object.entries<string | undefined>(found).map(([field, text]) => {
    const ms = Date.parse(text ?? '')
    if (Number.isNaN(ms))
      throw new Refusal(400, 'REQUEST_INVALID', `Cannot take the request as "${field}" of its query is no time of the calendar`)
    return [field, new Date(ms).toISOString()]
  })
  return Object.fromEntries(entries) as { readonly [N in Field]?: string } // the fields that were found
}
