import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'vitest'
import { call, createRemote, startServer } from './server.ts'

const run = promisify(execFile)
const service = `import { service } from 'plumb-server'
import escape from 'escape-string-regexp'
import isNumber from 'is-number'

export const judge = service<{ text: string }, { number: boolean; escaped: string }>({
  name: 'text.judge',
  async handle({ text }) {
    return { number: isNumber(text), escaped: escape(text) }
  },
})
`
const estate = {
  'environments/dev/environment.yaml': 'environment: dev\nrequireSecurity: false\nservices: ../../services\nsync: { probation: 0s }\n',
  'environments/dev/channels.yaml': 'channel_rest:\n  - name: judge\n    service: text.judge\n    url_path: /judge\n    public: true\n',
  'services/judge.ts': service,
  'services/package.json': JSON.stringify({
    name: 'estate',
    private: true,
    dependencies: { 'is-number': '7.0.0', 'escape-string-regexp': '5.0.0' },
  }),
}

test('a lockfile is installed once, in prepare, and its libraries are there for the services: CommonJS and ES modules', async () => {
  await using remote = await createRemote(estate)
  await run('npm', ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: join(remote.clone, 'services'),
  })
  await remote.push('lockfile')
  await using server = await startServer({ source: remote.url })
  await server.until(({ live }) => live.generation === 1, 120_000)
  assert.deepEqual((await call(`${server.channels}/judge`, { text: '1.5' })).body, { number: true, escaped: '1\\.5' })

  await remote.write({ 'services/judge.ts': service.replace("from 'is-number'", "from 'is-numbre'") })
  await remote.push('a library that package.json does not have')
  await using client = await server.client()
  const { outcome } = (await client.post('sync', {})) as unknown as {
    outcome: { kind: string; issues: { code: string; at: { line: number } }[] }
  } // as the admin API documents
  assert.deepEqual([outcome.kind, outcome.issues.map(issue => [issue.code, issue.at.line])], ['refused', [['MISSING_LIBRARY', 3]]])
  assert.equal((await call(`${server.channels}/judge`, { text: 'x' })).status, 200)
})
