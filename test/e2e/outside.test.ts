// An estate whose code and includes lie outside of environments/ and services/: what its folder says under `plumb dev`, and handed over,
// is what its commit says.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { compileLocally } from '../../cli/local.ts'
import { filesOf } from '../../cli/upload.ts'
import { until } from '../until.ts'
import { bootMs, call, createRemote, type Remote, startServer, type TestServer } from './server.ts'

const wordFile = 'lib/word.ts'
const channelsFile = 'shared/channels.yaml'
const channel = (name: string) => `  - { name: ${name}, service: greet, url_path: /${name}, public: true }\n`

const files = {
  'environments/dev/environment.yaml': 'environment: dev\nrequireSecurity: false\nservices: ../../code/services\n',
  'environments/dev/channels.yaml': 'include: [../../shared/channels.yaml]\n',
  [channelsFile]: `channel_rest:\n${channel('hello')}`,
  'code/services/greet.ts': `import { service } from 'plumb-server'
import { word } from '../../lib/word.ts'

export const greet = service<{ name: string }, { greeting: string }>({
  name: 'greet',
  async handle({ name }) {
    return { greeting: \`\${word} \${name}\` }
  },
})
`,
  [wordFile]: "export const word = 'Hello'\n",
}

describe('an estate with folders of its own', () => {
  let remote: Remote
  let server: TestServer
  const greeting = async (path: string) => {
    const { body } = await call(`${server.channels}/${path}`, { name: 'Ada' })
    return (body as { readonly greeting?: string }).greeting // as the service answers
  }

  beforeAll(async () => {
    remote = await createRemote(files)
    server = await startServer({ command: 'dev', source: remote.clone })
    await server.ready()
  }, bootMs)

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await remote?.[Symbol.asyncDispose]()
  })

  test('is served from its folder', async () => assert.equal(await greeting('hello'), 'Hello Ada'))

  test('is live again when a file that its code imports is saved', async () => {
    await remote.write({ [wordFile]: "export const word = 'Good day'\n" })
    await until(async () => (await greeting('hello')) === 'Good day Ada', 'the new greeting')
  })

  test('is live again when a file that it includes is saved', async () => {
    await remote.write({ [channelsFile]: `${files[channelsFile]}${channel('bye')}` })
    await until(async () => (await greeting('bye')) === 'Good day Ada', 'the new channel')
  })

  test('is sound where it is validated and where it is handed over, from any folder in it', async () => {
    await using local = await compileLocally(remote.clone)
    assert.deepEqual((await local.compile('dev')).issues, [])
    await using client = await server.client()
    const { issues } = await client.post('validate', { files: await filesOf(join(remote.clone, 'code')) })
    assert.deepEqual(issues, [])
  })
})
