// Estates of every built-in kind, drawn at random, as the files of a team would hold them: in one file or many, in any order, with the
// base and an overlay.

import fc from 'fast-check'
import { stringify } from 'yaml'
import type { JsonObject } from '../../schema/json.ts'

/** Section → its items. */
export type Resources = Readonly<Record<string, readonly JsonObject[]>>

/** Values of the secrets that the estates use, by name. */
export const secretNames = ['alpha', 'beta', 'gamma'] as const

const secret = fc.constantFrom(...secretNames).map(name => `\${{ secrets.${name} }}`)
const host = fc.constantFrom('h1.example.com', 'h2.example.com', '${{ vars.host }}')
const credential = fc.oneof(
  fc.record({ type: fc.constant('basic_auth'), username: fc.constantFrom('u', 'v', '${{ secrets.gamma }}'), password: secret }),
  fc.record({ type: fc.constant('apikey'), username: fc.constant('u'), header: fc.constantFrom('X-API-Key', 'X-Key'), password: secret }),
  fc.record({ type: fc.constant('bearer_token'), username: fc.constant('u'), static_token: secret.map(text => `v1.${text}`) }),
)
const channel = fc.record({
  service: fc.constantFrom('client.get', 'client.list'),
  method: fc.constantFrom('GET', 'POST'),
  timeout: fc.integer({ min: 1, max: 60 }),
  is_active: fc.boolean(),
})
const connection = fc.record({
  host: host.map(name => `https://${name}`),
  url_path: fc.constantFrom('/', '/api', '/api/{id}'),
  timeout: fc.integer({ min: 1, max: 60 }),
  pool_size: fc.integer({ min: 1, max: 20 }),
})
const database = fc.record({
  type: fc.constant('postgresql'),
  host,
  port: fc.constantFrom(5432, 5433),
  db_name: fc.constantFrom('one', 'two'),
  username: fc.constantFrom('app', '${{ secrets.alpha }}'),
  password: secret,
})
const cache = fc.record({ host, port: fc.constantFrom(6379, 6380), password: secret })

interface Drawn {
  readonly security: Readonly<Record<string, JsonObject>>
  readonly groups: Readonly<Record<string, JsonObject>>
  readonly channel_rest: Readonly<Record<string, JsonObject>>
  readonly outgoing_rest: Readonly<Record<string, JsonObject>>
  readonly sql: Readonly<Record<string, JsonObject>>
  readonly redis: Readonly<Record<string, JsonObject>>
  /** Which guard each channel names, as a position among what there is. */
  readonly guards: readonly number[]
}

const named = (prefix: string, drawn: fc.Arbitrary<JsonObject>) =>
  fc.dictionary(fc.constantFrom(`${prefix}1`, `${prefix}2`, `${prefix}/3`), drawn, { noNullPrototype: true })

/** At least one resource, references only to what is there. */
export const resources: fc.Arbitrary<Resources> = fc
  .record<Drawn>({
    security: named('s', credential),
    groups: named('g', fc.constant({})),
    channel_rest: named('c', channel),
    outgoing_rest: named('o', connection),
    sql: named('d', database),
    redis: named('r', cache),
    guards: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
  })
  .map(assemble)
  .filter(made => Object.keys(made).length > 0)

function assemble({ guards, security, groups, channel_rest, outgoing_rest, ...rest }: Drawn): Resources {
  const definitions = Object.keys(security)
  const pick = (at: number, from: readonly string[]) => (from.length === 0 ? undefined : from[(guards[at] ?? 0) % from.length])
  const guarded = Object.fromEntries(
    Object.entries(channel_rest).map(([name, fields], at) => {
      const guard = pick(at, [...definitions, ''])
      return [name, { ...fields, url_path: `/${at}/${(guards[at] ?? 0) % 2}`, ...(guard ? { security: guard } : { public: true }) }]
    }),
  )
  const sending = Object.fromEntries(
    Object.entries(outgoing_rest).map(([name, fields], at) => {
      const guard = pick(at + 3, [...definitions, ''])
      return [name, { ...fields, ...(guard ? { security: guard } : {}) }]
    }),
  )
  const joined = Object.fromEntries(
    Object.entries(groups).map(([name, fields], at) => {
      const member = pick(at + 5, [...definitions, ''])
      return [name, { ...fields, ...(member ? { members: [member] } : {}) }]
    }),
  )
  const sections = { security, groups: joined, channel_rest: guarded, outgoing_rest: sending, ...rest }
  return Object.fromEntries(
    Object.entries(sections).flatMap(([section, items]) => {
      const list = Object.entries(items).map(([name, fields]): JsonObject => ({ name, ...fields }))
      return list.length > 0 ? [[section, list]] : []
    }),
  )
}

/** How the same resources are written down. */
export interface Layout {
  /** Into how many files. */
  readonly files: number
  /** Decides order and places; drawn anew for every choice. */
  readonly choices: readonly number[]
  readonly indent: 2 | 4
  readonly flow: boolean
  readonly comments: boolean
}

export const layout: fc.Arbitrary<Layout> = fc.record({
  files: fc.integer({ min: 1, max: 4 }),
  choices: fc.array(fc.nat(), { minLength: 30, maxLength: 30 }),
  indent: fc.constantFrom(2, 4),
  flow: fc.boolean(),
  comments: fc.boolean(),
})

export const plainLayout: Layout = { files: 1, choices: [0], indent: 2, flow: false, comments: false }

export function environmentOf(host = 'h3.example.com', { sync, ...rest }: Rules = plainRules): string {
  const declared = { environment: 'dev', requireSecurity: false, ...rest, sync, vars: { host }, secrets: [{ env: 'S_' }] }
  return stringify(declared)
}

/** What environment.yaml decides besides what is compiled; nothing that makes a change wait. */
export interface Rules {
  readonly mode?: string
  readonly env?: readonly string[]
  readonly sync: Readonly<Record<string, string | boolean>>
}

const plainRules: Rules = { sync: { probation: '0s', maxDeletes: '100%' } }

export const rules: fc.Arbitrary<Rules> = fc.record(
  {
    mode: fc.constantFrom('git', 'live'),
    env: fc.constantFrom([], ['POD_NAME'], ['POD_NAME', 'NODE_NAME']),
    sync: fc.record(
      {
        maxDeletes: fc.constant('100%'),
        probation: fc.constantFrom('0s', '30s', '500ms'),
        schedule: fc.constantFrom('*/2 * * * *', '0 8 * * 1-5'),
        preflight: fc.constantFrom('require', 'warn'),
        prune: fc.boolean(),
      },
      { requiredKeys: ['maxDeletes'] },
    ),
  },
  { requiredKeys: ['sync'] },
)

/** The files of environment `dev`. */
export function filesOf(estate: Resources, { files, choices, indent, flow, comments }: Layout = plainLayout, host?: string) {
  let used = 0
  const choose = (from: number) => (choices[used++ % choices.length] ?? 0) % from
  const parts = Array.from({ length: files }, (): Record<string, JsonObject[]> => ({}))
  for (const [section, items] of shuffled(Object.entries(estate), choose))
    for (const item of shuffled(items, choose)) {
      const part = parts[choose(files)] ?? {}
      const list = part[section] ?? []
      list.push(Object.fromEntries(shuffled(Object.entries(item), choose)))
      part[section] = list
    }
  const written: Record<string, string> = { 'environments/dev/environment.yaml': environmentOf(host) }
  for (const [at, part] of parts.entries()) {
    const yaml = stringify(part, { indent, collectionStyle: flow ? 'flow' : 'block' })
    written[`environments/dev/${choose(2) === 0 ? 'part' : 'more/part'}${at}.yaml`] = comments ? `# ${choose(1_000)}\n${yaml}# end\n` : yaml
  }
  return written
}

function shuffled<T>(items: readonly T[], choose: (from: number) => number): T[] {
  return items
    .map(item => [choose(1_000), item] as const)
    .sort(([one], [other]) => one - other)
    .map(([, item]) => item)
}
