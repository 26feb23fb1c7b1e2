import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { CommandError } from '../../cli/run.ts'
import { configOf, type ServeFlags } from '../../cli/serve-config.ts'
import { isObject, type JsonObject } from '../../schema/json.ts'
import { temporaryDirectory } from '../directory.ts'

const url = 'ssh://git@git.example.com/shop/estate.git'
const least: ServeFlags = { source: url, environment: 'dev' }
const loopback = (port: number) => ({ host: '127.0.0.1', port })

describe('configOf() of flags alone', () => {
  test('has the defaults of docs/cli.md', async () => {
    const { workers, sealKeyPath, ...config } = await configOf({ ...least, ref: 'main' })
    assert.deepEqual(config, {
      command: 'serve',
      environment: 'dev',
      source: { kind: 'git', url, ref: 'main', allowLocal: true },
      dataDirectory: join(process.cwd(), '.plumb'),
      floors: {},
      logs: { access: true, level: 'info' },
      debug: { allow: false, port: null },
      channels: loopback(17010),
      admin: loopback(8183),
      tls: { channels: null, admin: null },
      behindProxy: false,
      trustedProxies: [],
    })
    assert(workers >= 2)
    assert.equal(sealKeyPath, join(process.env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'plumb', 'dev.seal.key'))
  })

  for (const [flags, expected] of [
    [{ ref: 'prod' }, { source: { kind: 'git', url, ref: 'prod', allowLocal: true } }],
    [{ source: 'estate.git' }, { source: { kind: 'git', url: join(process.cwd(), 'estate.git'), ref: 'main', allowLocal: true } }],
    [{ environment: 'test' }, { environment: 'test' }],
    [{ data: 'state' }, { dataDirectory: join(process.cwd(), 'state') }],
    [{ workers: '3' }, { workers: 3 }],
    [{ channelsPort: '0' }, { channels: loopback(0) }],
    [{ adminPort: '9000' }, { admin: loopback(9000) }],
    [{ sealKey: 'seal.key' }, { sealKeyPath: join(process.cwd(), 'seal.key') }],
  ] as const satisfies readonly (readonly [ServeFlags, JsonObject])[])
    test(`takes ${JSON.stringify(flags)}`, async () => holds(await configOf({ ...least, ...flags }), expected))

  for (const [what, flags, code, message] of [
    ['no environment', { source: url }, 'MISSING_FIELD', /"environment" is not given: name it by --environment, or in plumb.yaml/],
    ['no source', { environment: 'dev' }, 'MISSING_FIELD', /"source.git" is not given: name it by --source, or in plumb.yaml/],
    ['a ref alone', { environment: 'dev', ref: 'main' }, 'MISSING_FIELD', /"source.git" is not given: name it by --source/],
    [
      'an environment that is a path',
      { ...least, environment: '../dev' },
      'INVALID_VALUE',
      /such as "prod"; it was given by --environment/,
    ],
    ['a ref that is an option', { ...least, ref: '-x' }, 'INVALID_VALUE', /such as "main"; it was given by --ref/],
    [
      'a source of another protocol',
      { ...least, source: 'git://git.example.com/x' },
      'INVALID_VALUE',
      /its scheme is "git".*; it was given by --source/,
    ],
    [
      'a source with a token',
      { ...least, source: 'https://token@git.example.com/x' },
      'INVALID_VALUE',
      /keep credentials out of URLs.*; it was given by --source/,
    ],
    ['an empty source', { ...least, source: '' }, 'INVALID_VALUE', /"source.git".*; it was given by --source/],
    ['an empty data directory', { ...least, data: '' }, 'INVALID_VALUE', /"data".*; it was given by --data/],
    ['an empty seal key', { ...least, sealKey: '' }, 'INVALID_VALUE', /"keys.seal".*; it was given by --seal-key/],
  ] as const)
    test(`says what to do about ${what}`, async () => {
      const { status, issues } = await refusalOf(flags)
      assert.deepEqual([status, ...issues.map(found => found.code)], [64, code])
      assert.match(issues[0]?.message ?? '', message)
    })

  test('tells everything that is missing at once', async () => {
    const { issues } = await refusalOf({})
    assert.deepEqual(
      issues.map(({ code, pointer }) => `${code} ${pointer}`),
      ['MISSING_FIELD /environment', 'MISSING_FIELD /source/git'],
    )
  })

  for (const [flags, message] of [
    [{ workers: 'two' }, /--workers as it is "two": a whole number from 1 to 256 is accepted/],
    [{ workers: '0' }, /--workers as it is "0"/],
    [{ workers: '1.5' }, /--workers as it is "1.5"/],
    [{ channelsPort: 'http' }, /--channels-port as it is "http": a whole number from 0 to 65535 is accepted/],
    [{ adminPort: '65536' }, /--admin-port as it is "65536"/],
    [{ adminPort: '' }, /--admin-port as it is ""/],
  ] as const)
    test(`says what ${Object.keys(flags)} accepts instead of ${JSON.stringify(Object.values(flags)[0])}`, async () => {
      const { status, message: said } = await refusalOf({ ...least, ...flags })
      assert.equal(status, 64)
      assert.match(said, message)
    })
})

describe('configOf() of plumb.yaml', () => {
  const file = [
    'environment: prod',
    `source: { git: ${url}, ref: prod }`,
    'listen: { channels: "127.0.0.1:1", admin: "[::1]:2" }',
    'data: state',
    'keys: { seal: seal.key }',
    'workers: 2',
  ]

  test('takes its paths from the folder of the file', async () => {
    await using directory = await temporaryDirectory()
    holds(await configOf({ config: await write(directory.path, file) }), {
      environment: 'prod',
      source: { kind: 'git', url, ref: 'prod', allowLocal: false },
      dataDirectory: join(directory.path, 'state'),
      sealKeyPath: join(directory.path, 'seal.key'),
      workers: 2,
      channels: loopback(1),
      admin: { host: '::1', port: 2 },
    })
    holds(await configOf({ config: await write(directory.path, file.slice(0, 2)) }), { dataDirectory: join(directory.path, '.plumb') })
  })

  for (const [flags, expected] of [
    [{ source: '/srv/other.git' }, { source: { kind: 'git', url: '/srv/other.git', ref: 'prod', allowLocal: true } }],
    [{ ref: 'next' }, { source: { kind: 'git', url, ref: 'next', allowLocal: false } }],
    [{ environment: 'test' }, { environment: 'test' }],
    [{ data: 'elsewhere' }, { dataDirectory: join(process.cwd(), 'elsewhere') }],
    [{ workers: '5' }, { workers: 5 }],
    [{ channelsPort: '8000' }, { channels: loopback(8000), admin: { host: '::1', port: 2 } }],
    [{ adminPort: '9000' }, { channels: loopback(1), admin: loopback(9000) }],
    [{ sealKey: 'other.key' }, { sealKeyPath: join(process.cwd(), 'other.key') }],
  ] as const satisfies readonly (readonly [ServeFlags, JsonObject])[])
    test(`lets ${JSON.stringify(flags)} override it`, async () => {
      await using directory = await temporaryDirectory()
      holds(await configOf({ ...flags, config: await write(directory.path, file) }), expected)
    })

  test('places what is wrong at its line, and what came by a flag at none', async () => {
    await using directory = await temporaryDirectory()
    const path = await write(directory.path, ['data: state', 'worker: 2', `source: { ref: main }`])
    const { issues } = await refusalOf({ config: path, environment: '../dev' })
    assert.deepEqual(issues.map(({ code, pointer, at }) => `${code} ${pointer} ${at?.line ?? 'none'}`).sort(), [
      'INVALID_VALUE /environment none',
      'MISSING_FIELD /source/git 3',
      'UNKNOWN_FIELD /worker 2',
    ])
  })
})

async function write(directory: string, lines: readonly string[]): Promise<string> {
  const path = join(directory, 'plumb.yaml')
  await writeFile(path, lines.join('\n'))
  return path
}

async function refusalOf(flags: ServeFlags): Promise<CommandError> {
  try {
    await configOf(flags)
  } catch (error) {
    assert(error instanceof CommandError, String(error))
    return error
  }
  assert.fail('it is accepted')
}

/** The fields that `expected` names are as it says. */
function holds(config: object, expected: JsonObject): void {
  assert(isObject(config as JsonObject)) // plain data
  assert.deepEqual(Object.fromEntries(Object.entries(config).filter(([name]) => Object.hasOwn(expected, name))), expected)
}
