// Compilation on this machine, without a server: for `validate` and `types`. Secrets and process variables that are not set
// are not judged, so that a machine that must not know them can still judge everything else.

import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { adapterTable } from '../adapters/table.ts'
import { channelRow } from '../engine/plane/channel.ts'
import { compile } from '../reconcile/compile/compile.ts'
import type { Compiled } from '../reconcile/compile/desired.ts'
import { DocumentCache } from '../reconcile/compile/document-cache.ts'
import { createServiceCompiler } from '../reconcile/compile/services/compiler.ts'
import type { Tree } from '../reconcile/source/tree.ts'
import { createWorktreeSource } from '../reconcile/source/worktree.ts'
import type { Issue } from '../schema/issue.ts'
import { Secret } from '../schema/secret.ts'
import { builtinVocabulary, type Vocabulary } from '../schema/vocabulary.ts'
import { CommandError, exit } from './run.ts'
import { typesOf } from './types-of.ts'

export interface LocalCompilation extends AsyncDisposable {
  readonly tree: Tree
  readonly vocabulary: Vocabulary
  compile(environment: string): Promise<Compiled>
  /** The full type check of the services of the environment compiled last. */
  checkTypes(compiled: Compiled): Promise<readonly Issue[]>
  /** Folder of the services of the environment compiled last. */
  servicesFolder(): string
}

export async function compileLocally(root: string): Promise<LocalCompilation> {
  const source = createWorktreeSource({ root })
  const tree = await source.snapshot()
  const vocabulary = builtinVocabulary()
  const documents = new DocumentCache({ directory: null })
  const compiler = createServiceCompiler({ cacheDirectory: null })
  let folder = 'services'
  return {
    tree,
    vocabulary,
    servicesFolder: () => folder,
    compile: environment =>
      compile(tree, environment, {
        vocabulary,
        policy: null,
        secrets: async () => ({ source: { get: name => new Secret(name), describe: () => [], unreadable: [] }, issues: [] }),
        env: process.env,
        unsetEnv: 'unknown',
        keys: null,
        documents,
        rows: adapterTable([channelRow]).values(),
        services(from, directory, kinds) {
          folder = directory
          return compiler.compileServices(from, directory, kinds)
        },
      }),
    checkTypes: compiled =>
      compiler.checkTypes(tree, folder, {
        environmentTypes: compiled.desired ? typesOf(compiled.desired.resources.values(), vocabulary) : null,
        librariesFolder: existsSync(join(root, folder, 'node_modules')) ? join(root, folder) : root,
      }),
    async [Symbol.asyncDispose]() {
      await compiler[Symbol.asyncDispose]()
      await documents[Symbol.asyncDispose]()
      await source[Symbol.asyncDispose]()
    },
  }
}

/** The environments of an estate: the folders below `environments` that have an environment.yaml. */
export async function environmentsOf(root: string): Promise<string[]> {
  const folders = await readdir(join(root, 'environments'), { withFileTypes: true })
  const names = folders
    .filter(entry => entry.isDirectory() && existsSync(join(root, 'environments', entry.name, 'environment.yaml')))
    .map(entry => entry.name)
  if (names.length === 0)
    throw new CommandError(`Cannot find an environment in ${join(root, 'environments')}: a folder with an environment.yaml is one`, {
      status: exit.usage,
    })
  return names.sort()
}
