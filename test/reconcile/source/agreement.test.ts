// A working tree and a commit of the same files are the same estate: what compiles from one compiles from the other, to the same.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { compile } from '../../../reconcile/compile/compile.ts'
import { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { createSecrets } from '../../../reconcile/compile/secrets.ts'
import { createServiceCompiler } from '../../../reconcile/compile/services/compiler.ts'
import { createGitSource } from '../../../reconcile/source/git.ts'
import { SourceError } from '../../../reconcile/source/source-error.ts'
import type { Tree } from '../../../reconcile/source/tree.ts'
import { createWorktreeSource, type WorktreeSource } from '../../../reconcile/source/worktree.ts'
import { builtinVocabulary } from '../../../schema/vocabulary.ts'
import { temporaryDirectory } from '../../directory.ts'
import { writeFiles } from './repository.ts'

const vocabulary = builtinVocabulary()
const documents = new DocumentCache({ directory: null })
const compiler = createServiceCompiler({ cacheDirectory: null })
afterAll(async () => {
  await compiler[Symbol.asyncDispose]()
  await documents[Symbol.asyncDispose]()
})

const environmentFile = 'environments/dev/environment.yaml'
const channelsFile = 'environments/dev/channels.yaml'
const environment = (...rest: readonly string[]) => ['environment: dev', 'requireSecurity: false', ...rest, ''].join('\n')
const channel = 'channel_rest:\n  - { name: hi, service: hi, url_path: /hi, public: true }\n'
const service = (imported = '', body = '1') =>
  `import { service } from 'plumb-server'\n${imported}\nexport const hi = service({ name: 'hi', handle: () => ${body} })\n`
const inCode = { [environmentFile]: environment('services: ../../code/services'), [channelsFile]: channel }
const here = { [environmentFile]: environment(), [channelsFile]: channel }
const tooLarge = `# ${'x'.repeat(1024 * 1024)}\n`

interface Case {
  readonly files: Readonly<Record<string, string>>
  /** Codes and places of issues. */
  readonly found?: readonly string[]
  readonly says?: RegExp
  /** Without git a folder at the root whose name begins with a dot is not looked at by a pattern. */
  readonly needsGit?: boolean
}

const cases: Readonly<Record<string, Case>> = {
  'that keeps to its two folders': { files: { ...here, 'services/hi.ts': service() } },
  'whose services lie in another folder': { files: { ...inCode, 'code/services/hi.ts': service(), 'code/services/README.md': 'x' } },
  'whose services lie at the root': {
    files: { [environmentFile]: environment('services: ../..'), [channelsFile]: channel, 'hi.ts': service() },
  },
  'that includes a file elsewhere, which includes another': {
    files: {
      ...here,
      [channelsFile]: 'include: [../../shared/x.yaml]\n',
      'shared/x.yaml': 'include: [../more/channels.yaml]\n',
      'more/channels.yaml': channel,
      'services/hi.ts': service(),
    },
  },
  'that includes a file at the root': {
    files: { ...here, [channelsFile]: 'include: [../../channels.yaml]\n', 'channels.yaml': channel, 'services/hi.ts': service() },
  },
  'that includes by a pattern over the root': {
    files: { ...here, [channelsFile]: 'include: [../../*/deep/*.yaml]\n', '.hidden/deep/c.yaml': channel, 'services/hi.ts': service() },
    needsGit: true,
  },
  'whose code imports a file elsewhere, which imports another': {
    files: {
      ...here,
      'services/hi.ts': service("import { hi as word } from '../lib/hi.ts'", 'word'),
      'lib/hi.ts': "export { hi } from '../words'\n",
      'words.ts': 'export const hi = 2\n',
    },
  },
  'with libraries beside its code': {
    files: {
      ...inCode,
      'code/services/hi.ts': service(),
      'code/services/package.json': '{"dependencies":{"x":"1.0.0"}}',
      'code/services/package-lock.json': '{}',
    },
  },
  'with other things at its root': {
    files: {
      ...here,
      'services/hi.ts': service(),
      'README.md': '../x',
      'app/main.ts': "import '../nowhere.ts'",
      '.github/ci.yaml': 'a: ../b',
    },
  },
  'that names a directory of services that is not there': {
    files: { ...inCode, [environmentFile]: environment('services: ../../code/servics'), 'code/services/hi.ts': service() },
    found: [`INCLUDE_MISSING ${environmentFile}:3`],
    says: /"\.\.\/\.\.\/code\/servics" as there is no such directory: did you mean "\.\.\/\.\.\/code\/services"\?/,
  },
  'that names it under a root folder that is not there': {
    files: { ...inCode, [environmentFile]: environment('services: ../../cod/services'), 'code/services/hi.ts': service() },
    found: [`INCLUDE_MISSING ${environmentFile}:3`],
    says: /did you mean "\.\.\/\.\.\/code\/services"\?/,
  },
  'that includes what is not there': {
    files: { ...here, [channelsFile]: `include: [../../shared/y.yaml]\n${channel}`, 'shared/x.yaml': '', 'services/hi.ts': service() },
    found: [`INCLUDE_MISSING ${channelsFile}:1`],
    says: /did you mean "\.\.\/\.\.\/shared\/x\.yaml"\?/,
  },
  'whose code imports what is not there': {
    files: { ...here, 'services/hi.ts': service("import '../lib/hj.ts'"), 'lib/hi.ts': '' },
    found: ['MODULE_NOT_FOUND services/hi.ts:2'],
    says: /did you mean lib\/hi\.ts\?/,
  },
  'with a file that is too large, and one that is wrong': {
    files: {
      ...here,
      'environments/dev/big.yaml': tooLarge,
      'environments/dev/bad.yaml': 'chanel_rest: []\n',
      'services/hi.ts': service(),
    },
    found: ['UNKNOWN_SECTION environments/dev/bad.yaml:1', 'YAML_LIMIT environments/dev/big.yaml:1'],
    says: /as it is too large: 1048579 bytes; at most 1048576 are accepted/,
  },
  'with an environment.yaml that is too large': {
    files: { ...here, [environmentFile]: tooLarge },
    found: [`YAML_LIMIT ${environmentFile}:1`],
  },
  'with a lockfile that is larger than other files may be': {
    files: {
      ...here,
      'services/hi.ts': service(),
      'package.json': '{"name":"estate","version":"1.0.0"}',
      'package-lock.json': `{"name":"estate","version":"1.0.0","lockfileVersion":3,"packages":{}}${' '.repeat(1024 * 1024)}`,
    },
  },
  'with a file just as large as is accepted': {
    files: { ...here, 'environments/dev/big.yaml': `groups: []\n#${'x'.repeat(1024 * 1024 - 13)}\n`, 'services/hi.ts': service() },
  },
}

describe('a working tree, kept in git or not, and a commit of it are the same estate', () => {
  for (const [what, { files, found = [], says, needsGit = false }] of Object.entries(cases))
    test(what, async () => {
      await using estate = await estateOf(files)
      const committed = await compiled(await estate.commit())
      assert.deepEqual(
        committed.issues.map(({ code, at }) => `${code} ${at?.path}:${at?.line}`),
        found,
      )
      assert.equal(committed.desired === null, found.length > 0)
      if (says) assert.match(committed.issues.map(({ message }) => message).join('\n'), says)
      assert.deepEqual(await compiled(await estate.worktree.snapshot()), committed)
      if (needsGit) return
      rmSync(join(estate.root, '.git'), { recursive: true })
      assert.deepEqual(await compiled(await estate.worktree.snapshot()), committed)
    })
})

test('a file that git ignores is in neither, until it is added or its rule goes', async () => {
  await using estate = await estateOf({
    ...inCode,
    '.gitignore': 'dist/\nlocal.yaml\n',
    'code/services/hi.ts': service(),
    'code/services/dist/hi.ts': service(),
    'environments/dev/local.yaml': channel,
  })
  const { root, worktree } = estate
  assert.deepEqual(await compiled(await worktree.snapshot()), await compiled(await estate.commit()))
  writeFileSync(join(root, '.gitignore'), 'dist/\n')
  assert.ok((await worktree.snapshot()).files.has('environments/dev/local.yaml'))
  writeFileSync(join(root, '.gitignore'), 'dist/\nlocal.yaml\n')
  assert.ok(!(await worktree.snapshot()).files.has('environments/dev/local.yaml'))
  writeFiles(root, { 'environments/dev/deep/local.yaml': channel, 'environments/dev/deep/new.yaml': '' })
  const { files } = await worktree.snapshot()
  assert.deepEqual([files.has('environments/dev/deep/local.yaml'), files.has('environments/dev/deep/new.yaml')], [false, true])
  estate.git('add', '--force', 'code/services/dist/hi.ts')
  await using again = createWorktreeSource({ root })
  assert.deepEqual(await compiled(await again.snapshot()), await compiled(await estate.commit()))
})

for (const [what, make, named] of [
  ['a symbolic link', (root: string) => symlinkSync('hi.ts', join(root, 'services/link.ts')), 'services/link.ts'],
  [
    'a folder that is a symbolic link',
    (root: string) => {
      renameSync(join(root, 'services'), join(root, 'moved'))
      symlinkSync('moved', join(root, 'services'))
    },
    'services',
  ],
  ['a backslash', (root: string) => writeFileSync(join(root, 'services/a\\b.ts'), ''), 'services/a\\b.ts'],
  ['a name that is not UTF-8', (root: string) => writeFileSync(bytesOf(root, 'services/', 0xff, '.ts'), ''), 'services/\xff.ts'],
  [
    'a folder whose name is not UTF-8',
    (root: string) => {
      mkdirSync(bytesOf(root, 'services/', 0xe9))
      writeFileSync(bytesOf(root, 'services/', 0xe9, '/a.ts'), '')
    },
    'services/\xe9',
  ],
] as const)
  test.skipIf(process.platform !== 'linux')(`both refuse ${what} by the same name`, async () => {
    await using estate = await estateOf({ ...here, 'services/hi.ts': service() })
    make(estate.root)
    const refusal = async (run: () => Promise<unknown>) => {
      const error = await run().then(
        () => assert.fail('it was accepted'),
        (failure: unknown) => failure,
      )
      assert.ok(error instanceof SourceError, String(error))
      assert.match(error.message, /^Cannot take in "[\x20-\x7e]+ as it /)
      return [error.kind, error.path?.slice(0, named.length)]
    }
    assert.deepEqual(await refusal(() => estate.worktree.snapshot()), ['refused', named])
    assert.deepEqual(await refusal(() => estate.commit()), ['refused', named])
  })

test('a name with the sign for what cannot be shown is a name like any other', async () => {
  await using estate = await estateOf({ ...here, 'services/hi.ts': service(), 'services/\ufffd/a.ts': '' })
  assert.deepEqual([...(await estate.worktree.snapshot()).files], [...(await estate.commit()).files])
})

interface Estate extends AsyncDisposable {
  readonly root: string
  readonly worktree: WorktreeSource
  git(...args: readonly string[]): void
  /** Commits what git would add, and reads the commit. */
  commit(): Promise<Tree>
}

async function estateOf(files: Readonly<Record<string, string>>): Promise<Estate> {
  const folder = await temporaryDirectory()
  const root = join(folder.path, 'estate')
  writeFiles(root, files)
  const identity = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', '-c', 'core.quotePath=false']
  const git = (...args: readonly string[]) => void execFileSync('git', ['-C', root, ...identity, ...args], { stdio: 'pipe' })
  git('init', '--quiet', '--initial-branch=main')
  const worktree = createWorktreeSource({ root })
  const source = createGitSource({ url: root, ref: 'main', directory: join(folder.path, 'clone'), allowLocal: true })
  return {
    root,
    worktree,
    git,
    async commit() {
      git('add', '--all')
      git('commit', '--quiet', '--allow-empty', '--message', 'Estate')
      return source.tree(await source.fetch())
    },
    async [Symbol.asyncDispose]() {
      await source[Symbol.asyncDispose]()
      await worktree[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}

/** Everything of a compilation but the name of the revision. */
async function compiled(tree: Tree) {
  const { desired, issues } = await compile(tree, 'dev', {
    vocabulary,
    policy: null,
    secrets: createSecrets({}, async () => new Map()),
    env: {},
    keys: null,
    documents,
    services: (from, directory, kinds) => compiler.compileServices(from, directory, kinds),
  })
  return { desired: desired && { ...desired, revision: null, resources: [...desired.resources], modules: [...desired.modules] }, issues }
}

function bytesOf(root: string, ...rest: readonly (string | number)[]): Buffer {
  return Buffer.concat([`${root}/`, ...rest].map(each => (typeof each === 'number' ? Buffer.from([each]) : Buffer.from(each))))
}
