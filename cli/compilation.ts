// Compilation as this server runs it: with its vocabulary, its caches, its secrets and the environment of its process.

import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { adapterTable } from '../adapters/table.ts'
import type { Settings } from '../engine/generation/manifest.ts'
import { channelRow } from '../engine/plane/channel.ts'
import { compile } from '../reconcile/compile/compile.ts'
import type { Compiled } from '../reconcile/compile/desired.ts'
import { DocumentCache } from '../reconcile/compile/document-cache.ts'
import { createSecrets } from '../reconcile/compile/secrets.ts'
import { type CheckOptions, createServiceCompiler } from '../reconcile/compile/services/compiler.ts'
import type { Tree } from '../reconcile/source/tree.ts'
import { digestOf } from '../schema/digest.ts'
import type { SecretProvider } from '../schema/environment.ts'
import type { Issue } from '../schema/issue.ts'
import type { SealKey } from '../schema/seal.ts'
import type { Vocabulary } from '../schema/vocabulary.ts'
import type { Libraries } from './libraries.ts'
import type { ControlConfig } from './serve-options.ts'

export interface Compilation extends AsyncDisposable {
  /** Starts the processes that parse, so that a compilation that comes soon does not wait for them. */
  warm(): void
  /** `policy` null: the revision's own file judges. */
  compile(tree: Tree, policy: Settings | null): Promise<Compiled>
  /** Digest over the files that secrets were last read from, by their times and sizes: what a compilation reads beside the tree. */
  inputs(): Promise<string>
  /** A full type check of a tree's services, as issues. */
  checkTypes(tree: Tree, options: CheckOptions): Promise<readonly Issue[]>
}

export interface CompilationOptions {
  readonly config: Pick<ControlConfig, 'command' | 'environment' | 'floors' | 'dataDirectory'>
  readonly vocabulary: Vocabulary
  readonly sealKey: SealKey | null
  readonly libraries: Pick<Libraries, 'remember'>
}

export function createCompilation({ config, vocabulary, sealKey, libraries }: CompilationOptions): Compilation {
  const cache = join(config.dataDirectory, 'cache')
  const documents = new DocumentCache({ directory: join(cache, 'documents') })
  const compiler = createServiceCompiler({ cacheDirectory: join(cache, 'services') })
  const secrets = createSecrets(process.env)
  let directory = 'services'
  let secretFolders: readonly string[] = []
  return {
    warm() {
      documents.warm()
      compiler.warm()
    },
    inputs: async () => digestOf(await Promise.all(secretFolders.map(stampOf))),
    checkTypes: (tree, options) => compiler.checkTypes(tree, directory, options),
    async compile(tree, policy) {
      const compiled = await compile(tree, config.environment, {
        vocabulary,
        policy,
        secrets: providers => {
          const placed = providers.map(provider => placedIn(config.dataDirectory, provider))
          secretFolders = placed.flatMap(provider => (provider.from === 'files' ? [provider.directory] : []))
          return secrets(placed)
        },
        env: process.env,
        keys: sealKey,
        documents,
        rows: adapterTable([channelRow]).values(),
        services: (from, services, kinds) => {
          directory = services
          return compiler.compileServices(from, services, kinds)
        },
        command: config.command,
      })
      if (compiled.desired) await libraries.remember(tree, compiled.desired)
      return compiled
    },
    async [Symbol.asyncDispose]() {
      await compiler[Symbol.asyncDispose]()
      await documents[Symbol.asyncDispose]()
    },
  }
}

/** A server follows git without a checkout, so that a relative folder can only be one of its own: it does not hang on where it was started. */
function placedIn(dataDirectory: string, provider: SecretProvider): SecretProvider {
  return provider.from === 'files' ? { ...provider, directory: resolve(dataDirectory, provider.directory) } : provider
}

/** Names, times and sizes of the files in a folder; null where it cannot be read. */
async function stampOf(folder: string): Promise<string[] | null> {
  try {
    const names = (await readdir(folder)).sort()
    return await Promise.all(
      names.map(async name => {
        const found = await stat(join(folder, name)).catch(() => null) // a link that leads nowhere hides no other file
        return `${name} ${found?.mtimeMs} ${found?.ctimeMs} ${found?.size}`
      }),
    )
  } catch {
    return null // the compilation says what is wrong with it
  }
}
