// The compilation of an estate for its tests: that of a server, with secrets that are made up. Parsed files and derived models are kept
// where `plumb dev` keeps them, so whichever comes second finds them.

import { join, resolve } from 'node:path'
import { adapterTable } from '../../adapters/table.ts'
import { channelRow } from '../../engine/plane/channel.ts'
import { compile } from '../../reconcile/compile/compile.ts'
import type { Desired, DesiredResource } from '../../reconcile/compile/desired.ts'
import { DocumentCache } from '../../reconcile/compile/document-cache.ts'
import { createSecrets, type OpenSecrets } from '../../reconcile/compile/secrets.ts'
import { createServiceCompiler } from '../../reconcile/compile/services/compiler.ts'
import { isTestFile } from '../../reconcile/compile/test-file.ts'
import type { Tree } from '../../reconcile/source/tree.ts'
import { createWorktreeSource } from '../../reconcile/source/worktree.ts'
import { digestOf } from '../../schema/digest.ts'
import type { Issue } from '../../schema/issue.ts'
import { Secret } from '../../schema/secret.ts'
import { createLibraries } from '../libraries.ts'
import type { CompiledEstate, EstateRequest } from './compiled-estate.ts'

export interface Snapshot extends AsyncDisposable {
  readonly tree: Tree
  /** Over all files but tests: what a compilation hangs on. */
  readonly digest: string
}

export async function snapshotOf(root: string): Promise<Snapshot> {
  const source = createWorktreeSource({ root, except: join(root, '.plumb') })
  const tree = await source.snapshot()
  return { tree, digest: digestOfCode(tree), [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() }
}

export function digestOfCode(tree: Tree): string {
  return digestOf([...tree.files.values()].filter(({ path }) => !isTestFile(path)).map(({ path, blob }) => [path, blob]))
}

/** `estate` null: the issues say why. */
export async function compileEstate(
  tree: Tree,
  request: EstateRequest,
): Promise<{ readonly estate: CompiledEstate | null; readonly issues: readonly Issue[] }> {
  const { root, environment, vocabulary } = request
  const cache = join(root, '.plumb', 'cache')
  await using documents = new DocumentCache({ directory: join(cache, 'documents') })
  await using compiler = createServiceCompiler({ cacheDirectory: join(cache, 'services') })
  const asked: Record<string, string | null> = {}
  const { desired, issues } = await compile(tree, environment, {
    vocabulary,
    policy: null,
    secrets: request.realSecrets ? realSecrets(request) : madeUp(request),
    env: recording({ ...process.env, ...request.env }, asked),
    unsetEnv: 'unknown',
    ...(request.vars ? { vars: request.vars } : {}),
    keys: null,
    documents,
    rows: adapterTable([channelRow]).values(),
    services: (from, directory, kinds) => compiler.compileServices(from, directory, kinds),
  })
  if (!desired) return { estate: null, issues }
  const entries = [...desired.resources.values()].map(entryOf)
  const { revision, settings, lockfile, modules } = desired
  const librariesFolder = await librariesOf(tree, desired, root)
  return { estate: { revision, settings, lockfile, librariesFolder, entries, modules: [...modules.values()], env: asked, issues }, issues }
}

function madeUp({ secrets = {} }: EstateRequest): OpenSecrets {
  const get = (name: string) => new Secret(secrets[name] ?? `test-${name}`)
  return async () => ({ source: { get, describe: () => [], unreadable: [] }, issues: [] })
}

/** Those of the environment, as `plumb dev` reads them; what the test gives stands over them. */
function realSecrets({ root, env, secrets = {} }: EstateRequest): OpenSecrets {
  const open = createSecrets({ ...process.env, ...env })
  return async providers => {
    const placed = providers.map(provider =>
      provider.from === 'files' ? { ...provider, directory: resolve(root, '.plumb', provider.directory) } : provider,
    )
    const { source, issues } = await open(placed)
    const get = (name: string) => (secrets[name] === undefined ? source.get(name) : new Secret(secrets[name]))
    return { source: { ...source, get }, issues }
  }
}

function recording(env: Readonly<Record<string, string | undefined>>, asked: Record<string, string | null>) {
  return new Proxy(env, {
    get(target, key) {
      const value = typeof key === 'string' ? target[key] : undefined
      if (typeof key === 'string') asked[key] = value ?? null
      return value
    },
  })
}

/** A resource whose fields hang on process variables that are not set is closed: nothing can be said of it, and the rest can be tested. */
function entryOf({ secrets, unknown = [], at, ...resource }: DesiredResource): CompiledEstate['entries'][number] {
  const reason = `its ${unknown.map(pointer => `"${pointer.slice(1)}"`).join(', ')} hangs on a process variable that is not set: createApp({ env }) sets it`
  return {
    resource: unknown.length === 0 ? resource : { ...resource, closed: resource.closed ?? reason },
    secrets: Object.fromEntries([...secrets].map(([pointer, secret]) => [pointer, secret.reveal()])),
    declaredAt: `${at.path}:${at.line}:${at.column}`,
  }
}

async function librariesOf(tree: Tree, desired: Desired, root: string): Promise<string | null> {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const libraries = createLibraries(join(root, '.plumb'), { worktree: root, log: silent })
  await libraries.remember(tree, desired)
  return libraries.directoryOf(desired.lockfile)
}
