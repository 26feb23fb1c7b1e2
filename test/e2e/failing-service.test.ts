// Whatever way a service fails, its caller gets a right answer and the log has one line that names it, in the author's lines.

import assert from 'node:assert/strict'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { until } from '../until.ts'
import { call, createRemote, type Remote, startServer, type TestServer } from './server.ts'

const failed = 'The service failed; the log has the reason under this cid'

/** Name → body, status, and what its line says: level, type of the error, message. */
const services = {
  thrower: ["throw new Refused('no')", 500, ['error', 'Refused', /^Service "thrower" failed: no$/]],
  undefinedly: ['throw undefined', 500, ['error', undefined, /^Service "undefinedly" failed: undefined, which is no error /]],
  bigint: ['return { n: 1n }', 500, ['error', 'TypeError', /^Service "bigint" failed: .* it returned an object with the field n, /]],
  refusing: ["return { toJSON() { throw new Refused('no') } }", 500, ['error', 'TypeError', /^Service "refusing" failed: .* and no$/]],
  exiting: ['process.exit(1)', 500, ['error', 'Error', /^Service "exiting" failed: Cannot call process\.exit\(\)/]],
  printing: ["console.log('done %d', 7); return {}", 200, ['info', undefined, /^done 7$/]],
  global: ["globalThis.console.log('done %d', 7); return {}", 200, ['info', undefined, /^done 7$/]],
  forgetful: [
    "void Promise.resolve().then(() => { throw new Refused('no') }); return {}",
    200,
    ['error', 'Refused', /^Service "forgetful" let go of a promise that was rejected: no$/],
  ],
  rejecting: [
    'void Promise.reject(); return {}',
    200,
    ['error', undefined, /^A service, perhaps "rejecting", let go of a promise that was rejected: undefined, which is no error /],
  ],
  late: [
    "setTimeout(() => { throw new Refused('no') }, 1); return {}",
    200,
    ['error', 'Refused', /^Code of "services\/late\.ts" threw in a setTimeout of 1 ms: no$/],
  ],
} as const

const levels = { info: 30, error: 50 }
/** Of `body` below. */
const bodyLine = 8

const fileOf = (name: string, body: string) => `import { service } from 'plumb-server'

class Refused extends Error {}

export const answer = service<Record<string, never>>({
  name: '${name}',
  async handle() {
    ${body}
  },
})
void Refused
`

interface Line {
  readonly level: number
  readonly msg: string
  readonly service?: string
  readonly began?: string
  readonly cid?: string
  readonly channel?: string
  readonly err?: { readonly type?: string; readonly message: string; readonly stack?: string; readonly cause?: string }
}

describe('a service that fails', () => {
  let remote: Remote
  let server: TestServer

  beforeAll(async () => {
    const channels = Object.keys(services).map(name => `  - { name: ${name}, service: ${name}, url_path: /${name}, public: true }\n`)
    remote = await createRemote({
      'environments/dev/environment.yaml': "environment: dev\nrequireSecurity: false\nsync: { schedule: '0 0 1 1 *', probation: 0s }\n",
      'environments/dev/channels.yaml': `channel_rest:\n${channels.join('')}`,
      ...Object.fromEntries(Object.entries(services).map(([name, [body]]) => [`services/${name}.ts`, fileOf(name, body)])),
    })
    server = await startServer({ source: remote.url, workers: 1 })
    await server.ready()
  })

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await remote?.[Symbol.asyncDispose]()
  })

  for (const [name, [, status, [level, type, message]]] of Object.entries(services))
    test(`"${name}" is answered ${status} and told in one line`, async () => {
      const { workers } = await server.pids()
      const answer = await call(`${server.channels}/${name}`, {})
      assert.equal(answer.status, status, JSON.stringify(answer.body))
      await until(() => linesOf(name).length > 0, 'A line of log')
      // What is answered is logged before; a second line would be there with the next answer.
      await call(`${server.channels}/${name}`, {})
      await until(() => linesOf(name).length > 1, 'A line of log')
      const [first, second, ...more] = linesOf(name)
      assert.ok(first && second)
      assert.deepEqual(more, [])
      assert.equal(first.level, levels[level])
      assert.match(first.msg, message)
      assert.deepEqual([first.service ?? first.began, first.err?.type], [name, type])
      const { cid, detail } = (answer.body ?? {}) as { readonly cid?: string; readonly detail?: string } // RFC 9457
      if (status === 500) {
        assert.equal(detail, failed)
        assert.deepEqual([first.cid, first.channel], [cid, `channel_rest/${name}`])
      }
      const places = JSON.stringify(first.err ?? {}).match(/services\/\w+\.ts:\d+/g) ?? []
      if (type !== undefined && name !== 'bigint') assert.equal(places[0], `services/${name}.ts:${bodyLine}`, JSON.stringify(first))
      assert.deepEqual((await server.pids()).workers, workers, 'no worker ended')
    })

  /** Lines of log that tell of the service; each request has one as well. */
  function linesOf(name: string): readonly Line[] {
    const marks = [`"service":"${name}"`, `"began":"${name}"`, `"channel":"channel_rest/${name}"`, `services/${name}.ts`]
    return server
      .output()
      .split('\n')
      .filter(line => line.startsWith('{') && !line.includes('"type":"access"') && marks.some(mark => line.includes(mark)))
      .map(line => JSON.parse(line) as Line) // pino writes it
  }

  test('what a service prints stands in lines of log alone', () => {
    const printed = server
      .output()
      .split('\n')
      .filter(line => line.includes('done 7'))
    for (const line of printed) assert.match(line, /^\{"level":30,/)
  })
})
