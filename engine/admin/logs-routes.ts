// The log of all processes: what is in memory, and what comes.

import type { JsonObject } from '../../schema/json.ts'
import type { LogFilter } from '../log/filter.ts'
import { isLevel, levels } from '../log/level.ts'
import { openLogStream } from './log-stream.ts'
import { environmentPrefix, json, object, type Row, textIn } from './route.ts'

const word = (description: string) => ({ type: 'string', minLength: 1, maxLength: 200, description })
/** Fields of a line, by what they have to be. */
const words = {
  service: word('A service, by name'),
  channel: word('A channel, by ref or name'),
  cid: word('A correlation id'),
  process: word('A process, such as "worker 1" or "control"'),
}
const names = Object.keys(levels).filter(name => name !== 'silent')

const query = object({
  level: { type: 'string', enum: names, default: 'trace', description: `The least level: ${names.join(', ')}` },
  ...words,
  since: { type: 'integer', minimum: 0, description: 'Lines of this time or later, in milliseconds since 1970' },
  limit: { type: 'integer', minimum: 1, maximum: 1_000, default: 100, description: 'How many at most, the newest' },
})

export const rows: readonly Row[] = [
  {
    id: 'logs',
    method: 'GET',
    path: `${environmentPrefix}/logs`,
    summary: 'The newest lines of the log of all processes that are in memory, oldest first',
    role: 'viewer',
    scope: 'logs',
    query,
    answer: json('{ lines, missing }'),
    async run({ query: asked }, { logs }) {
      const { lines, missing } = await logs.query(filterIn(asked), Number(asked.limit))
      return { lines: lines.map(({ text }) => JSON.parse(text) as JsonObject), missing: [...missing] } // lines of ours
    },
  },
  {
    id: 'followLogs',
    method: 'GET',
    path: `${environmentPrefix}/logs/stream`,
    summary: 'The same lines, and then every line as it is written, as Server-Sent Events',
    role: 'viewer',
    scope: 'logs',
    query,
    answer: { description: 'The stream', contentType: 'text/event-stream', schema: { type: 'string' } },
    open: ({ query: asked }, { logs }, life) => openLogStream({ filter: filterIn(asked), limit: Number(asked.limit), logs, ...life }),
    run: async () => ({}),
  },
]

function filterIn(asked: JsonObject): LogFilter {
  const level = String(asked.level)
  return {
    level: levels[isLevel(level) ? level : 'trace'],
    ...Object.assign({}, ...Object.keys(words).map(name => textIn(asked, name))),
    ...(asked.since === undefined ? {} : { since: Number(asked.since) }),
  }
}
