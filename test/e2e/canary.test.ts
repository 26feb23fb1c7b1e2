// A secret's value appears in no plan, log, error, API answer, store row or file (property 5 of the design): a server whose every
// field that may hold a secret holds a marked one is taken through what servers go through, and all it says and keeps is searched.

import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { AdminClient } from '../../cli/client.ts'
import { builtinVocabulary } from '../../schema/vocabulary.ts'
import { temporaryDirectory } from '../directory.ts'
import { canary, leaksIn } from '../leaks.ts'
import { plumb, type Run } from './command.ts'
import { bootMs, call, childrenOf, createRemote, type Remote, startServer, type TestServer } from './server.ts'

/** Field → the name of the secret in it. */
const fields = {
  'redis password': 'redis',
  'security decryption_key': 'decryption',
  'security password': 'basic',
  'security signing_key': 'signing',
  'security static_token': 'token',
  'sql password': 'sql',
} as const

const secrets = {
  redis: canary('redis'),
  decryption: canary('decryption'),
  basic: canary('basic'),
  key: canary('key', false),
  signing: canary('signing'),
  token: canary('token', false),
  bearer: canary('bearer', false),
  sql: canary('sql'),
  // Fields of other kinds of values, which become secret by what is put into them.
  header: canary('header', false),
  user: canary('user'),
  // In files.
  file: canary('file'),
  rotated: canary('rotated'),
  // In places that refuse it.
  misplaced: canary('misplaced'),
  spare: canary('spare'),
}
const canaries = Object.values(secrets)
const literal = canary('literal')

const resources = (crm: string): string => `security:
  - { name: basic, type: basic_auth, username: partner, password: '\${{ secrets.basic }}' }
  - { name: key, type: apikey, username: partner, password: '\${{ secrets.key }}' }
  - { name: token, type: bearer_token, username: crm, static_token: '\${{ secrets.token }}' }
  - { name: bearer, type: bearer_token, username: crm, password: 'v1.\${{ secrets.bearer }}' }
  - { name: file, type: basic_auth, username: '\${{ secrets.user }}', password: '\${{ secrets.file }}' }
  - { name: wss, type: wss, username: u, signing_key: '\${{ secrets.signing }}', decryption_key: '\${{ secrets.decryption }}' }
outgoing_rest:
  - { name: CRM, host: '${crm}', url_path: /api, security: token, request_headers: [{ key: X-Trace, value: 'a \${{ secrets.header }}' }] }
  - { name: Gone, host: 'http://127.0.0.1:9', url_path: /api, security: bearer }
sql:
  - { name: Gone, type: postgresql, host: 127.0.0.1, port: 9, db_name: test, username: nobody, password: '\${{ secrets.sql }}' }
  - { name: Refusing, type: postgresql, host: 127.0.0.1, port: 5432, db_name: missing, username: '\${{ secrets.user }}', password: '\${{ secrets.sql }}' }
redis:
  - { name: Gone, host: 127.0.0.1, port: 9, password: '\${{ secrets.redis }}' }
  - { name: Refusing, host: 127.0.0.1, password: '\${{ secrets.redis }}' }
channel_rest:
  - { name: open, service: use, url_path: /open, public: true }
  - { name: basic, service: use, url_path: /basic, security: basic }
  - { name: key, service: use, url_path: /key, security: key }
  - { name: token, service: use, url_path: /token, security: token }
  - { name: bearer, service: use, url_path: /bearer, security: bearer }
  - { name: file, service: use, url_path: /file, security: file }
  - { name: wss, service: use, url_path: /wss, security: wss }
`

const code = `import { service } from 'plumb-server'

export const use = service<{ what: 'rest' | 'gone' | 'sql' | 'refusing' | 'redis' | 'refused' | 'throw' }, object>({
  name: 'use',
  deadline: '3s',
  async handle({ what }, ctx) {
    ctx.log.info({ what, headers: ctx.request?.headers, env: process.env }, 'Using')
    if (what === 'rest') return { status: (await ctx.rest('CRM').get('/contacts')).status }
    if (what === 'gone') return { status: (await ctx.rest('Gone').get('/contacts')).status }
    if (what === 'sql') return { rows: (await ctx.sql('Gone').query('SELECT 1')).rows }
    if (what === 'refusing') return { rows: (await ctx.sql('Refusing').query('SELECT 1')).rows }
    if (what === 'redis') return { value: await ctx.redis('Gone').get('x') }
    if (what === 'refused') return { value: await ctx.redis('Refusing').get('x') }
    throw Object.assign(new Error('broken'), { request: ctx.request })
  },
})
`

const environment = (files: string): string => `environment: dev
requireSecurity: false
sync: { schedule: '0 0 1 1 *', probation: 0s, preflight: warn, maxDeletes: 100% }
secrets: [{ env: CANARY_ }, { files: '${files}' }]
`

const misplaced: Readonly<Record<string, string>> = {
  'a name': "redis: [{ name: '${{ secrets.misplaced }}', host: h }]",
  'a reference': "channel_rest: [{ name: x, service: use, url_path: /x, security: '${{ secrets.misplaced }}' }]",
  'a service': "channel_rest: [{ name: x, service: 'use ${{ secrets.misplaced }}', url_path: /x, public: true }]",
  'a number': "redis: [{ name: x, host: h, port: '${{ secrets.misplaced }}' }]",
  'a choice': "security: [{ name: x, type: '${{ secrets.misplaced }}' }]",
  'a pattern': "outgoing_rest: [{ name: x, host: '${{ secrets.misplaced }}', url_path: /x }]",
  'a path': "channel_rest: [{ name: x, service: use, url_path: 'x${{ secrets.misplaced }}', public: true }]",
  'a field that is a list': "groups: [{ name: x, members: '${{ secrets.misplaced }}' }]",
}

test('every field that may hold a secret is in the estate', () => {
  const declared = [...builtinVocabulary().kinds.values()].flatMap(({ name, secretPaths }) =>
    secretPaths.map(path => `${name} ${fieldOf(path)}`),
  )
  assert.deepEqual(declared.sort(), Object.keys(fields).sort())
})

describe('a server full of secrets', () => {
  let remote: Remote
  let server: TestServer
  let admin: AdminClient
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let files: string
  const seen: IncomingHttpHeaders[] = []
  const crm = createServer((request, response) => {
    seen.push(request.headers)
    response.setHeader('content-type', 'application/json').end('{}')
  })
  /** Where something was said → what leaked there. */
  const leaks = new Map<string, readonly string[]>()
  const search = (where: string, said: Uint8Array | string, wanted = canaries) => {
    const found = leaksIn(said, wanted)
    if (found.length > 0) leaks.set(where, found)
  }

  beforeAll(async () => {
    directory = await temporaryDirectory()
    files = join(directory.path, 'secrets')
    await mkdir(files)
    await writeFile(join(files, 'file'), `${secrets.file.value}\n`)
    await new Promise<void>(resolve => crm.listen(0, '127.0.0.1', resolve))
    const { port } = crm.address() as AddressInfo // it listens on TCP
    remote = await createRemote({
      'environments/dev/environment.yaml': environment(files),
      'environments/dev/resources.yaml': resources(`http://127.0.0.1:${port}`),
      'services/use.ts': code,
    })
    const env = Object.entries(secrets).filter(([name]) => name !== 'file' && name !== 'rotated')
    server = await startServer({
      source: remote.url,
      workers: 2,
      data: join(directory.path, 'data'),
      env: { ...Object.fromEntries(env.map(([name, { value }]) => [`CANARY_${name.toUpperCase()}`, value])), PLUMB_LOG_LEVEL: 'trace' },
    })
    await server.until(
      ({ live, workers }) => live.serial > 0 && workers.length === 2 && workers.every(({ generation }) => generation === live.generation),
      bootMs,
    )
    admin = await server.client()
  }, 2 * bootMs)

  afterAll(async () => {
    crm.close()
    await admin?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
    await remote?.[Symbol.asyncDispose]()
    await directory?.[Symbol.asyncDispose]()
  })

  test('uses them: callers pass with them and far ends receive them', async () => {
    const basic = (user: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` })
    const callers = {
      open: {},
      basic: basic('partner', secrets.basic.value),
      key: { 'x-api-key': secrets.key.value },
      token: { authorization: `Bearer ${secrets.token.value}` },
      bearer: { authorization: `Bearer v1.${secrets.bearer.value}` },
      file: basic(secrets.user.value, secrets.file.value),
    }
    for (const [channel, headers] of Object.entries(callers)) await ask(`/${channel}`, { what: 'rest' }, headers, 200)
    // A ping carries no credential.
    assert.equal(seen.at(-1)?.authorization, `Bearer ${secrets.token.value}`)
  })

  test('refuses and fails without naming one', async () => {
    for (const channel of ['basic', 'key', 'token', 'bearer', 'file'])
      for (const authorization of ['Basic !', `Basic ${Buffer.from('partner:wrong').toString('base64')}`, 'Bearer wrong'])
        await ask(`/${channel}`, { what: 'rest' }, { authorization, 'x-api-key': 'wrong' }, 401)
    // The admin API is shown a credential of a channel.
    const shown = await call(`${server.adminUrl}/api/v1`, undefined, { headers: { authorization: `Bearer ${secrets.token.value}` } })
    assert.equal(shown.status, 401)
    search('answer of the admin API to a wrong token', JSON.stringify(shown))
    await ask('/wss', { what: 'rest' }, {}, 503)
    await ask('/open', { what: 'nothing' }, {}, 400)
    for (const what of ['gone', 'sql', 'refusing']) await ask('/open', { what }, {}, 503)
    for (const what of ['redis', 'refused', 'throw']) await ask('/open', { what }, {}, null)
  })

  test('says none through the command line', async () => {
    const refs = ((await admin.get('resources?limit=1000')).resources as unknown as readonly { readonly ref: string }[]).map(
      ({ ref }) => ref,
    ) // as the admin API documents
    for (const [args, status, says] of [
      [['status'], 0, /Refusing/],
      [['get'], 0, /security\/basic/],
      [['history'], 0, /./],
      [['plan'], 0, /No changes/],
      [['plan', '--markdown'], 0, /0 to create, 0 to update/],
      [['plan', remote.clone], 0, /No changes/],
      [['sync'], 0, /./],
      [['types'], 0, /./],
      [['token', 'list'], 0, /STATE/],
      [['get', 'security/basic'], 0, /#[0-9a-f]{8}/],
      [['explain', 'security/basic'], 0, /"\*\*\*"/],
      [['ping', 'sql/Refusing'], 1, /sql\/Refusing/],
      [['ping', 'redis/Refusing'], null, /redis\/Refusing/],
      [['ping', 'outgoing_rest/Gone'], 1, /outgoing_rest\/Gone/],
      [['invoke', 'use', '-d', '{"what":"rest"}'], 0, /200/],
      [['invoke', 'use', '-d', '{"what":"refusing"}'], 1, /^Cannot use sql "Refusing" as /],
      [['invoke', 'use', '-d', '{"what":"throw"}'], 1, /the log has the reason/],
      [['audit', '--limit', '1000'], 0, /invoke/],
      [['audit', '--verify'], 0, /as they were written/],
    ] as const)
      for (const rest of [[], ['--json']]) {
        const { stdout, stderr } = await command([...args, ...rest], status)
        if (rest.length === 0) assert.match(`${stdout}${stderr}`, says)
      }
    for (const ref of refs)
      for (const path of ref.startsWith('service/') ? ['resources'] : ['resources', 'explain'])
        search(`${path} ${ref}`, JSON.stringify(await admin.get(`${path}/${ref.split('/').map(encodeURIComponent).join('/')}`)))
  })

  for (const [what, yaml] of Object.entries(misplaced))
    test(`refuses one as ${what} without saying it`, async () => {
      await remote.write({ 'environments/dev/misplaced.yaml': `${yaml}\n` })
      await remote.push(what)
      const answer = await admin.post('sync', {})
      // Without the server's secrets only their places can be judged, and this value has a right place.
      await command(['validate', remote.clone], what === 'a pattern' ? 0 : 1)
      await remote.write({ 'environments/dev/misplaced.yaml': null })
      await remote.push(`without ${what}`)
      assert.equal((answer.outcome as { readonly kind: string }).kind, 'refused', JSON.stringify(answer)) // as the admin API documents
      search(`sync of ${what}`, JSON.stringify(answer))
    })

  test('rotates one, and shows the change as digests', async () => {
    await writeFile(join(files, 'file'), secrets.rotated.value)
    const plan = await command(['plan'], 0)
    assert.match(plan.stdout, /secrets: \(sensitive, #[0-9a-f]{8} → #[0-9a-f]{8}\)/)
    await command(['sync'], 0)
    await ask(
      '/file',
      { what: 'rest' },
      { authorization: `Basic ${Buffer.from(`${secrets.user.value}:${secrets.rotated.value}`).toString('base64')}` },
      200,
    )
    await command(['rollback', '--reason', 'canary'], 0)
    await command(['sync', '--retry'], 0)
  })

  test('warns of one that stands in a file of the estate, and does not repeat it', async () => {
    await remote.write({
      'environments/dev/literal.yaml': `redis: [{ name: literal, host: h, password: ${JSON.stringify(literal.value)} }]\n`,
    })
    await remote.push('literal')
    for (const args of [['plan'], ['plan', '--json'], ['sync', '--json'], ['get', 'redis/literal'], ['explain', 'redis/literal']]) {
      const { stdout, stderr } = await command(args, 0)
      search(`plumb ${args.join(' ')}`, `${stdout}${stderr}`, [literal])
    }
  })

  test('says none in the log that it keeps in memory, as it is followed, or in a metric', async () => {
    const lines = JSON.stringify(await admin.get('logs?limit=1000'))
    assert.ok(lines.includes('"msg":"Using"'), lines.slice(-2_000))
    assert.ok(lines.includes('"type":"access"'))
    search('logs', lines, [...canaries, literal])
    await using following = await server.client()
    const followed: string[] = []
    for await (const { type, data } of following.stream('logs/stream?limit=1000')) {
      followed.push(data)
      if (type === 'line' && data.includes('"path":"/followed"')) break
      if (followed.length === 1) await call(`${server.channels}/followed?token=${secrets.token.value}`, {}).catch(() => null)
    }
    search('followed logs', followed.join('\n'), [...canaries, literal])
    for (const args of [['logs'], ['logs', '--json'], ['logs', '--level', 'warn']]) await command(args, 0)
    const metrics = await fetch(`${server.adminUrl}/metrics`)
    assert.equal(metrics.status, 401)
    const text = await admin.text('/metrics')
    assert.match(text, /^plumb_channel_requests_total\{channel="channel_rest\/open",status_class="2xx",worker="\d"\} \d+$/m)
    search('metrics', text, [...canaries, literal])
  })

  test('keeps none in the journal, in a file, in a command line, or in the variables of a worker', async () => {
    // Every sink that the server can be asked for; a new one is added here.
    for (const sink of ['journal?limit=1000', 'audit?limit=1000'])
      search(sink, JSON.stringify(await admin.get(sink)), [...canaries, literal])
    search('openapi', JSON.stringify(await (await fetch(`${server.adminUrl}/api/v1/openapi.json`)).json().catch(() => null)))
    const { supervisor, control, workers } = await server.pids()
    const kept = [supervisor, control, server.binder.pid ?? 0]
    const all = [...kept, ...workers, ...(await Promise.all([control, ...workers].map(childrenOf))).flat()]
    for (const pid of all) {
      const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '') // '' where it has ended
      search(`command line of ${pid}`, await read('cmdline'))
      // esbuild is a part of control, takes its variables and runs nothing of the estate.
      if (!kept.includes(pid) && !(await read('cmdline')).includes('esbuild'))
        search(`variables of ${await read('cmdline')}`, await read('environ'))
    }
    await server.stop()
    const { data } = server
    const entries = await readdir(data, { recursive: true, withFileTypes: true })
    const paths = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
    for (const part of ['plumb.db', 'current', 'manifests/', 'cache/'])
      assert.ok(
        paths.some(path => path.startsWith(join(data, part))),
        part,
      )
    for (const path of paths) search(path.slice(data.length), await readFile(path))
    for (const line of server.output().split('\n')) search(`log: ${line}`, line, [...canaries, literal])
    assert.ok(server.output().includes('"msg":"Using"'), server.output().slice(-2_000))
  })

  test('leaks nothing', () => {
    assert.deepEqual(Object.fromEntries(leaks), {})
  })

  async function ask(path: string, body: unknown, headers: Record<string, string>, expected: number | null): Promise<void> {
    const answer = await call(`${server.channels}${path}`, body, { headers })
    search(`answer of ${path} to ${JSON.stringify(body)}`, JSON.stringify(answer))
    if (expected !== null) assert.equal(answer.status, expected, `${path}: ${JSON.stringify(answer.body)}`)
  }

  /** @param status null: a Redis that asks for no password takes any, and there may be none */
  async function command(args: readonly string[], status: number | null): Promise<Run> {
    const run = await plumb(args, { server: `unix:${join(server.data, 'admin.sock')}` })
    search(`plumb ${args.join(' ')}`, `${run.stdout}${run.stderr}`)
    assert.equal(run.status, status ?? Math.min(run.status ?? 1, 1), `plumb ${args.join(' ')}: ${run.stdout}${run.stderr}`)
    return run
  }
})

/** `/password` → `password`. */
function fieldOf(path: string | readonly string[]): string {
  return typeof path === 'string' ? path.replace(/^\//, '') : path.join('.')
}
