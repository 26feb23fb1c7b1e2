// A bad revision never disturbs what runs: it is refused with code, file, line and a way out, what is live stays live bit for bit and
// is asked without a failure meanwhile, and the next good revision goes live.

import assert from 'node:assert/strict'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { environmentYaml, type Files, goodFiles, type Outcome, startWatched, type Watched } from './watched.ts'

const dev = 'environments/dev'
const environmentFile = `${dev}/environment.yaml`
const channelsFile = `${dev}/channels.yaml`
const lastLine = 4
const anyService = "export const extra = service({ name: 'extra', async handle() { return {} } })"

interface Case {
  /** Over the good files; null removes one. */
  readonly files: Files
  /** Path → target. */
  readonly links?: Readonly<Record<string, string>>
  /** `CODE path:line` of every error, in order. */
  readonly found: readonly string[]
  /** Of the messages: the cause, and the way out. */
  readonly says: RegExp
}

const cases: Readonly<Record<string, Case>> = {
  'YAML that does not parse': {
    files: channel('{ name: x, service: ping'),
    found: [`YAML_SYNTAX ${channelsFile}:${lastLine + 2}`],
    says: /indented differently from its neighbours; align it with/,
  },
  'an unknown section': {
    files: extra('chanel_rest:', '  - { name: x }'),
    found: [`UNKNOWN_SECTION ${dev}/extra.yaml:1`],
    says: /"chanel_rest" as no such kind exists: did you mean "channel_rest"\?/,
  },
  'an unknown field': {
    files: channel('{ name: x, service: ping, url_path: /x, public: true, methd: GET }'),
    found: [`UNKNOWN_FIELD ${channelsFile}:${lastLine + 1}`],
    says: /"methd" as channel_rest has no such field: did you mean "method"\?/,
  },
  'a missing field': {
    files: channel('{ name: x, service: ping, public: true }'),
    found: [`MISSING_FIELD ${channelsFile}:${lastLine + 1}`],
    says: /the field "url_path" is missing; add it/,
  },
  'a name that is there twice': {
    files: extra('channel_rest:', '  - { name: ping, service: ping, url_path: /x, public: true }'),
    found: [`DUPLICATE_NAME ${dev}/extra.yaml:2 and ${channelsFile}:2`],
    says: /"channel_rest\/ping" as the layer "dev" declares it twice; keep one, or rename one/,
  },
  'a key that is there twice': {
    files: channel('{ name: x, name: y, service: ping, url_path: /x, public: true }'),
    found: [`DUPLICATE_KEY ${channelsFile}:${lastLine + 1} and ${channelsFile}:${lastLine + 1}`],
    says: /the key "name" stands in it twice; keep one/,
  },
  'a reference to what does not exist': {
    files: channel('{ name: x, service: pin, url_path: /x, public: true }'),
    found: [`UNRESOLVED_REF ${channelsFile}:${lastLine + 1}`],
    says: /"service\/pin" as no such service exists: did you mean "service\/ping"\?/,
  },
  'two channels of one path': {
    files: channel('{ name: x, service: ping, url_path: /ping, public: true }'),
    found: [`ROUTE_CONFLICT ${channelsFile}:${lastLine + 1} and ${channelsFile}:2`],
    says: /"channel_rest\/ping" claims the same requests: any method \/ping; give one another path or method/,
  },
  'a missing variable': {
    files: channel("{ name: x, service: ping, url_path: '/${{ vars.regon }}', public: true }"),
    found: [`MISSING_VARIABLE ${channelsFile}:${lastLine + 1}`],
    says: /"vars.regon" as environment.yaml has no such variable: did you mean "region"\?/,
  },
  'a missing secret': {
    files: extra('security:', "  - { name: s, type: apikey, username: u, password: '${{ secrets.nowhere }}' }"),
    found: [`MISSING_SECRET ${dev}/extra.yaml:2`],
    says: /no source holds this secret; it is looked for in the process variable PLUMB_SECRET_NOWHERE/,
  },
  'a variable of the process that nobody allowed': {
    files: channel("{ name: x, service: ping, url_path: '/${{ env.HOME }}', public: true }"),
    found: [`ENV_NOT_ALLOWED ${channelsFile}:${lastLine + 1}`],
    says: /environment.yaml does not allow it; add HOME to "env" there/,
  },
  'a value of the wrong type': {
    files: channel('{ name: x, service: ping, url_path: /x, public: maybe }'),
    found: [`WRONG_TYPE ${channelsFile}:${lastLine + 1}`],
    says: /"public" as it is a text: accepted is true or false/,
  },
  'a name of another language': {
    files: extra('redis: [{ name: x, host: h, __proto__: { polluted: true } }]'),
    found: [`FORBIDDEN_KEY ${dev}/extra.yaml:1`],
    says: /__proto__.*; /,
  },
  'a type that no model can be': {
    files: code('export const extra = service<{ at: () => void }, {}>({', "  name: 'extra',", '  async handle() { return {} },', '})'),
    found: ['MODEL_TYPE services/extra.ts:2'],
    says: /a function has no JSON form; use what JSON can hold/,
  },
  'a model of a validator that is not served': {
    files: {
      ...code(
        "import { z } from './z.ts'",
        "export const extra = service({ name: 'extra', input: z.object(), async handle() { return {} } })",
      ),
      'services/z.ts': 'export const z = { object: () => ({}) }\n',
    },
    found: ['MODEL_NOT_SERVED services/extra.ts:3'],
    says: /neither a type nor a literal JSON Schema; give the type arguments of `service`, or an object literal/,
  },
  'a model that is no JSON Schema': {
    files: code("export const extra = service({ name: 'extra', input: { type: 'strng' }, async handle() { return {} } })"),
    found: ['MODEL_INVALID services/extra.ts:2'],
    says: /Cannot take the schema of "extra" as its input model as it is not valid: the schema\/type must be equal to one of the allowed values/,
  },
  'TypeScript that does not parse': {
    files: code(anyService, 'export const two = = 2'),
    found: ['TYPESCRIPT_SYNTAX services/extra.ts:3'],
    says: /Expression expected; correct the syntax here/,
  },
  'code that throws when it is loaded': {
    files: code(anyService, "throw new Error('no licence')"),
    found: ['SERVICE_LOAD_FAILED services/extra.ts:3'],
    says: /its code throws: no licence; what may fail belongs into `handle`/,
  },
  'code that rejects when it is loaded': {
    files: code(anyService, "void Promise.reject(new Error('no licence'))"),
    found: ['SERVICE_LOAD_REJECTED services/extra.ts:3'],
    says: /no licence; await it in `handle`/,
  },
  'code that loops when it is loaded': {
    files: code(anyService, 'for (;;) continue'),
    found: ['SERVICE_LOAD_TIMEOUT services/extra.ts:1'],
    says: /did not end within 10 s; a file only declares, its work belongs into `handle`/,
  },
  'code that exits when it is loaded': {
    files: code(anyService, 'process.exit(3)'),
    found: ['SERVICE_LOAD_FAILED services/extra.ts:3'],
    says: /Cannot call process.exit\(\) as the process serves other services too: throw an error instead/,
  },
  'code that kills its process when it is loaded': {
    files: code(anyService, "process.kill(process.pid, 'SIGKILL')"),
    found: ['SERVICE_LOAD_EXITED services/extra.ts:1'],
    says: /ends the process by SIGKILL; a file only declares, its work belongs into `handle`/,
  },
  'top-level await': {
    files: code(anyService, 'await Promise.resolve()'),
    found: ['TOP_LEVEL_AWAIT services/extra.ts:3'],
    says: /awaits outside of a function; await inside `handle`/,
  },
  'an import of a file that is not there': {
    files: code("import { x } from './nowhere.ts'", anyService, 'x()'),
    found: ['MODULE_NOT_FOUND services/extra.ts:2'],
    says: /".\/nowhere.ts" as no such file is in the estate; the path is relative to the importing file/,
  },
  'an import of a library that nobody installs': {
    files: code("import { x } from 'left-pad'", anyService, 'x()'),
    found: ['MISSING_LIBRARY services/extra.ts:2'],
    says: /the estate has no package file; make services\/package.json and run `npm install left-pad` there/,
  },
  'a call of a service that does not exist': {
    files: code("export const extra = service({ name: 'extra', handle: (_, ctx) => ctx.invoke('pong', {}) })"),
    found: ['UNKNOWN_SERVICE services/extra.ts:2'],
    says: /"service\/pong" as no such service exists: did you mean "service\/ping"\?/,
  },
  'an environment without resources': {
    files: { [channelsFile]: null },
    found: [`EMPTY_ENVIRONMENT ${environmentFile}:1`],
    says: /declares no resource at all, which would delete everything; declare at least one/,
  },
  'an empty folder of environments': {
    files: { [channelsFile]: null, [environmentFile]: null },
    found: [`ENVIRONMENT_MISSING ${environmentFile}:1`],
    says: /environments\/dev does not exist; create environments\/dev\/environment.yaml/,
  },
  'no file at all': {
    files: Object.fromEntries(Object.keys(goodFiles).map(path => [path, null])),
    found: [`ENVIRONMENT_MISSING ${environmentFile}:1`],
    says: /environments\/dev does not exist; create environments\/dev\/environment.yaml/,
  },
  'an environment that extends an empty folder': {
    files: { [environmentFile]: `${environmentYaml()}extends: [../base]\n` },
    found: [`EXTENDS_MISSING ${environmentFile}:6`],
    says: /"..\/base" as there is no such directory; put files there, or remove the entry/,
  },
  'another environment': {
    files: { [environmentFile]: environmentYaml().replace('dev', 'prod') },
    found: [`ENVIRONMENT_MISMATCH ${environmentFile}:1`],
    says: /current value is "prod"; write "environment: dev"/,
  },
  'another branch': {
    files: { [environmentFile]: environmentYaml(', ref: prod') },
    found: ['REF_MISMATCH'],
    says: /its "sync.ref" is "prod": this server follows "refs\/heads\/main"/,
  },
  'a rule that nobody enforces': {
    files: { [environmentFile]: environmentYaml(', windows: []') },
    found: [`NOT_ENFORCED ${environmentFile}:3`],
    says: /windows/,
  },
  'a symbolic link': {
    files: {},
    links: { [`${dev}/passwd.yaml`]: '/etc/passwd' },
    found: [`TREE_REFUSED ${dev}/passwd.yaml:1`],
    says: /it is a symbolic link; only plain files are accepted/,
  },
  'a directory of services that is not there': {
    files: { [environmentFile]: `${environmentYaml()}services: ../../servces\n` },
    found: [`INCLUDE_MISSING ${environmentFile}:6`],
    says: /services from "\.\.\/\.\.\/servces" as there is no such directory: did you mean "\.\.\/\.\.\/services"\?/,
  },
  'a YAML file of 2 MB': {
    files: extra(`# ${'x'.repeat(2 * 1024 * 1024)}`),
    found: [`YAML_LIMIT ${dev}/extra.yaml:1`],
    says: /too large: 2097155 bytes; at most 1048576 are accepted; split it/,
  },
  'YAML nested deeply': {
    files: extra(`redis: ${'['.repeat(5_000)}`),
    found: [`YAML_LIMIT ${dev}/extra.yaml:1`],
    says: /nest too deep; at most 64 levels are accepted/,
  },
  'YAML whose aliases multiply': {
    files: extra('a: &a [x, x, x, x, x, x, x, x, x]', ...[...'bcdefghi'].map((name, at) => `${name}: &${name} [${nineAliases(at)}]`)),
    found: [`YAML_LIMIT ${dev}/extra.yaml:1`],
    says: /too many values once its aliases are expanded; at most 200000 are accepted/,
  },
  'two documents in one file': {
    files: extra('redis: []', '---', 'redis: []'),
    found: [`YAML_MULTIPLE_DOCUMENTS ${dev}/extra.yaml:2`],
    says: /more than one document; keep one per file/,
  },
  'a YAML tag': {
    files: extra('redis: !!js/function "x"'),
    found: [`YAML_TAG ${dev}/extra.yaml:1`],
    says: /a tag that is not accepted; remove the "!" tag/,
  },
}

describe('a server that is given a bad revision', () => {
  const refused = new Set<string>()
  let watched: Watched

  beforeAll(async () => {
    watched = await startWatched()
  })

  afterAll(() => watched?.[Symbol.asyncDispose]())

  for (const [what, { files, links = {}, found, says }] of Object.entries(cases))
    test(`refuses ${what}`, async () => {
      const { remote } = watched
      const before = await watched.settled()
      await remote.write(files)
      for (const [path, target] of Object.entries(links)) await symlink(target, join(remote.clone, path))
      refused.add(await remote.push(what))
      const outcome = await watched.sync()
      await remote.write(Object.fromEntries([...Object.keys(files), ...Object.keys(links)].map(path => [path, goodFiles[path] ?? null])))
      assert.deepEqual([outcome.kind, foundIn(outcome)], ['refused', found], JSON.stringify(outcome, null, 1))
      assert.match((outcome.reasons ?? []).join('\n'), says)
      await watched.assertUnchanged(before)
      await watched.goLive()
    })

  test('holds deletes beyond the budget, and names the command that confirms them', async () => {
    const before = await watched.settled()
    await watched.remote.write({
      [channelsFile]: 'channel_rest:\n  - { name: ping, service: ping, url_path: /ping, public: true }\n',
    })
    refused.add(await watched.remote.push('two of three'))
    const { kind, holds } = await watched.sync()
    assert.deepEqual([kind, holds?.map(hold => hold.kind)], ['held', ['deletes']])
    assert.match(holds?.[0]?.next ?? '', /^plumb apply [0-9a-f]{10} --confirm-deletes 2$/)
    await watched.assertUnchanged(before)
    await watched.goLive({ [channelsFile]: goodFiles[channelsFile] ?? null })
  })

  test('has answered every request, and no bad revision is in its history', async () => {
    const { history } = await watched.admin.get('history?limit=1000')
    const rows = history as unknown as readonly { readonly revision: string }[] // as the admin API documents
    assert.deepEqual(
      rows.filter(row => refused.has(row.revision)),
      [],
    )
    assert.deepEqual(watched.traffic.failures, [])
  })
})

function channel(item: string): Files {
  return { [channelsFile]: `${goodFiles[channelsFile]}  - ${item}\n` }
}

function extra(...lines: readonly string[]): Files {
  return { [`${dev}/extra.yaml`]: `${lines.join('\n')}\n` }
}

/** A file of services whose second line is the first of `lines`. */
function code(...lines: readonly string[]): Files {
  return { 'services/extra.ts': `${["import { service } from 'plumb-server'", ...lines].join('\n')}\n` }
}

function nineAliases(at: number): string {
  return Array.from({ length: 9 }, () => `*${'abcdefgh'[at]}`).join(', ')
}

/** `CODE path:line`, from issues, or from the reasons of workers and of the load check, which begin with their place. */
function foundIn({ issues = [], reasons = [] }: Outcome): string[] {
  if (issues.length === 0) return reasons.map(reason => reason.replace(/^(.+?):(\d+):\d+: ([A-Z_]+): .*$/s, '$3 $1:$2'))
  return issues
    .filter(({ severity }) => severity === 'error')
    .map(({ code: found, at, related = [] }) =>
      [`${found}${at ? ` ${at.path}:${at.line}` : ''}`, ...related.map(one => `${one.at.path}:${one.at.line}`)].join(' and '),
    )
}
