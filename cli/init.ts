import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { Command } from 'commander'
import { editorFiles } from './editor-files.ts'
import { fileReason } from './file-reason.ts'
import { CommandError, exit, finish, printJson, type Shared } from './run.ts'
import { writeSdkTypes } from './sdk-types.ts'

export function initCommand(): Command {
  return new Command('init')
    .description('makes a small estate that runs and type-checks as it is')
    .argument('[directory]', 'where; made if missing', '.')
    .option('--json', 'print the written paths as JSON')
    .addHelpText('after', '\nExample:\n  plumb init shop && cd shop && plumb dev')
    .action((directory: string, options: Shared) =>
      finish(options, async () => {
        const root = resolve(directory)
        const written = await writeEstate(root)
        if (options.json) printJson({ root, written })
        else {
          for (const path of written) process.stdout.write(`Wrote ${relative(process.cwd(), join(root, path))}\n`)
          const steps = root === process.cwd() ? 'plumb dev' : `cd ${relative(process.cwd(), root)} && plumb dev`
          process.stdout.write(`\nNext:\n  ${steps}\n  curl localhost:17010/api/v1/greeting -d '{"name":"Ada"}'\n`)
        }
        return exit.done
      }),
    )
}

async function writeEstate(root: string): Promise<string[]> {
  const taken = Object.keys(files).filter(path => existsSync(join(root, path)))
  if (taken.length > 0)
    throw new CommandError(
      `Cannot make an estate in ${root} as ${taken.join(', ')} is there already: nothing is overwritten; choose an empty directory`,
      { status: exit.usage },
    )
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), text, { flag: 'wx' })
    }
    const types = await writeSdkTypes(root)
    return [...Object.keys(files), ...types.map(path => relative(root, path))]
  } catch (error) {
    throw new CommandError(
      `Cannot make an estate in ${root} as ${fileReason(error)}: an empty directory, or a path that is free, is accepted`,
      { status: exit.usage },
    )
  }
}

const files: Readonly<Record<string, string>> = {
  'environments/base/channels.yaml': `channel_rest:
  - name: greeting
    service: greeting.say
    url_path: /api/v1/greeting
    data_format: json
    public: true
`,
  'environments/dev/environment.yaml': `environment: dev
extends: [../base]
services: ../../services
requireSecurity: false
`,
  'environments/prod/environment.yaml': `environment: prod
extends: [../base]
services: ../../services
mode: git
sync:
  probation: 30s
  preflight: require
`,
  'services/greeting/say.ts': `import { service } from 'plumb-server'

export interface GreetingRequest {
  /** @minLength 1 */
  name: string
}

export interface GreetingResponse {
  greeting: string
}

/** Says hello. */
export const say = service<GreetingRequest, GreetingResponse>({
  name: 'greeting.say',
  async handle({ name }, ctx) {
    ctx.log.info({ name }, 'Saying hello')
    return { greeting: \`Hello, \${name}\` }
  },
})
`,
  'services/greeting/say.test.ts': `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp } from 'plumb-server/test'

test('says hello by name', async () => {
  await using app = await createApp()
  const answer = await app.request('POST', '/api/v1/greeting', { json: { name: 'Ada' } })
  assert.deepEqual(answer.json, { greeting: 'Hello, Ada' })
})
`,
  'services/greeting/say.test.yaml': `- name: says hello by name
  request: { method: POST, path: /api/v1/greeting, body: { name: Ada } }
  expect:
    status: 200
    body: { greeting: 'Hello, Ada' }

- name: a name that is empty is refused
  request: { method: POST, path: /api/v1/greeting, body: { name: '' } }
  expect:
    status: 400
    body: { errors: [{ pointer: /name }] }
`,
  'tsconfig.json': `{
  "extends": "./.plumb/tsconfig.json",
  "include": ["services"]
}
`,
  '.gitignore': `.plumb/
node_modules/
`,
  ...editorFiles(),
}
