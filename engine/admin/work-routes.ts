// Routes of the queue of asynchronous calls. What a task carries is shown one at a time, to who may run things: it may be of people.

import type { JsonObject } from '../../schema/json.ts'
import { Refusal } from './port.ts'
import { environmentPrefix, json, maxBodyBytes, object, type Row, textIn } from './route.ts'
import type { TaskState, WorkOperations } from './work.ts'

const service = { type: 'string', minLength: 1, maxLength: 200, description: 'Only those of this service' }

export const rows: readonly Row[] = [
  {
    id: 'listTasks',
    method: 'GET',
    path: `${environmentPrefix}/tasks`,
    summary: 'Asynchronous calls that are not done, newest first, without payloads; dead ones are dead letters',
    role: 'viewer',
    scope: 'work',
    query: object({
      state: { type: 'string', enum: ['ready', 'running', 'dead'], description: 'Only those in this state' },
      service,
      limit: { type: 'integer', minimum: 1, maximum: 1000, default: 100 },
      before: { type: 'integer', minimum: 1, description: 'Only those with a lower seq' },
    }),
    answer: json('{ tasks, next, counts }'),
    async run({ query }, { work }) {
      const limit = Number(query.limit)
      const tasks = await work.list({
        limit,
        ...(query.state === undefined ? {} : { state: query.state as TaskState }), // the schema names the three
        ...textIn(query, 'service'),
        ...(query.before === undefined ? {} : { before: Number(query.before) }),
      })
      return plain({ tasks, next: tasks.length < limit ? null : (tasks.at(-1)?.seq ?? null), counts: work.counts() })
    },
  },
  {
    id: 'getTask',
    method: 'GET',
    path: `${environmentPrefix}/tasks/{id}`,
    summary: 'An asynchronous call with its payload',
    role: 'operator',
    scope: 'work',
    answer: json('{ task }'),
    async run({ params }, { work }) {
      const task = await work.get(String(params.id))
      if (task === undefined) throw unknown(String(params.id))
      return plain({ task })
    },
  },
  {
    id: 'resubmitTask',
    method: 'POST',
    path: `${environmentPrefix}/tasks/{id}/resubmit`,
    summary: 'Makes a dead letter ready again, with all its attempts',
    role: 'operator',
    scope: 'work',
    body: { schema: object({}), maxBytes: maxBodyBytes },
    answer: json('{ resubmitted }'),
    async run({ params, actor }, { work }) {
      const id = String(params.id)
      const resubmitted = await work.resubmit({ id }, actor.name)
      if (resubmitted === 0) throw await refusal(id, work, 'resubmit', 'only a dead one is accepted')
      return { resubmitted }
    },
  },
  {
    id: 'resubmitTasks',
    method: 'POST',
    path: `${environmentPrefix}/tasks/resubmit`,
    summary: 'Makes all dead letters ready again, or all of a service',
    role: 'operator',
    scope: 'work',
    body: { schema: object({ service }), maxBytes: maxBodyBytes },
    audit: { detail: ({ body }) => textIn(body, 'service') },
    answer: json('{ resubmitted }'),
    run: async ({ body, actor }, { work }) => ({ resubmitted: await work.resubmit(textIn(body, 'service'), actor.name) }),
  },
  {
    id: 'discardTask',
    method: 'POST',
    path: `${environmentPrefix}/tasks/{id}/discard`,
    summary: 'Removes an asynchronous call that waits or is dead',
    role: 'operator',
    scope: 'work',
    body: { schema: object({}), maxBytes: maxBodyBytes },
    answer: json('{ discarded }'),
    async run({ params, actor }, { work }) {
      const id = String(params.id)
      if (!(await work.discard(id, actor.name))) throw await refusal(id, work, 'discard', 'one that is ready or dead is accepted')
      return { discarded: id }
    },
  },
]

async function refusal(id: string, work: WorkOperations, action: string, accepted: string): Promise<Refusal> {
  const task = await work.get(id)
  return task === undefined
    ? unknown(id)
    : new Refusal(409, 'TASK_STATE', `Cannot ${action} task "${id}" as it is ${task.state}: ${accepted}`)
}

function unknown(id: string): Refusal {
  return new Refusal(404, 'UNKNOWN', `Cannot find task "${id}": it is done, or was never accepted; plumb queue list shows what is not done`)
}

/** As JSON carries it. */
function plain(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject // the parse of an object's JSON
}
