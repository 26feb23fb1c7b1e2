// A server of environment `dev` in memory: the real compilation and the real choke point over an engine that keeps to its contract, with
// every manifest written to disk and read back.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { deltaBetween } from '../../engine/generation/applied.ts'
import type { ApplyOutcome } from '../../engine/generation/engine.ts'
import { emptyManifest, type Manifest } from '../../engine/generation/manifest.ts'
import { readManifest, writeManifest } from '../../engine/generation/manifests.ts'
import { openSqliteStore } from '../../engine/store/sqlite.ts'
import type { Compiled } from '../../reconcile/compile/desired.ts'
import type { DocumentCache } from '../../reconcile/compile/document-cache.ts'
import { createSecrets } from '../../reconcile/compile/secrets.ts'
import { createChoke, type Proposal } from '../../reconcile/sync/propose.ts'
import { SealKey } from '../../schema/seal.ts'
import { temporaryDirectory } from '../directory.ts'
import { fakeClock } from '../fake-clock.ts'
import { compileFiles, vocabulary } from '../reconcile/compile/estate.ts'
import { memoryEngine } from '../reconcile/sync/setup.ts'
import { secretNames } from './estates.ts'

export type SecretValues = Readonly<Record<(typeof secretNames)[number], string>>

export const plainSecrets: SecretValues = { alpha: 'hunter2-alpha', beta: 'hunter2-beta', gamma: 'hunter2-gamma' }

const digestKey = Buffer.alloc(32, 7)

export function compiled(
  files: Readonly<Record<string, string>>,
  documents: DocumentCache,
  values: SecretValues = plainSecrets,
): Promise<Compiled> {
  const env = Object.fromEntries(secretNames.map(name => [`S_${name.toUpperCase()}`, values[name]]))
  return compileFiles(files, { documents, services: ['client.get', 'client.list'], secrets: createSecrets(env), keys: { digestKey } })
}

export async function openServer() {
  const directory = await temporaryDirectory()
  const store = await openSqliteStore(join(directory.path, 'store.db'))
  const clock = fakeClock(Date.parse('2026-01-01T00:00:00Z'))
  const key = new SealKey(Buffer.alloc(32, 9))
  const fresh = () => {
    const engine = memoryEngine(store, clock)
    const choke = createChoke({
      store,
      live: engine.live,
      kinds: vocabulary.kinds,
      judge: { by: 'own', floors: {} },
      environment: 'dev',
      ref: 'refs/heads/main',
      seal: (plain, context) => key.seal(plain, context),
      clock,
    })
    const propose = (given: Compiled, entry: 'sync' | 'plan' = 'sync'): Promise<Proposal> =>
      choke.propose({ compiled: given, entry, actor: 'ada', reason: 'test' })
    return {
      engine,
      propose,
      live: () => engine.live().manifest,
      /** Plans and applies; asserts that it goes live, or that there was nothing to do. */
      async goLive(given: Compiled): Promise<Proposal> {
        const proposal = await propose(given)
        if (proposal.kind === 'nothing') return proposal
        assert.ok(proposal.kind === 'go', JSON.stringify(proposal))
        const outcome: ApplyOutcome = await engine.apply(proposal.request)
        assert.equal(outcome.kind, 'live', JSON.stringify(outcome))
        return proposal
      },
    }
  }
  return {
    store,
    fresh,
    /** The manifest after a way through the disk, as a delta to the empty one that is there already. */
    async throughDisk(manifest: Manifest): Promise<Manifest> {
      const base = { name: await writeManifest(directory.path, emptyManifest) }
      const name = await writeManifest(directory.path, manifest, { base, delta: deltaBetween(emptyManifest, manifest) })
      return await readManifest(directory.path, name)
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await directory[Symbol.asyncDispose]()
    },
  }
}

/** What runs, without what differs by nature: sealed values are random, and a place or a revision is no part of what runs. */
export function running({ entries, settings, lockfile, modules }: Manifest) {
  const resources = [...entries.values()].map(({ resource, sealed }) => ({ resource, sealed: Object.keys(sealed).sort() }))
  return {
    resources: resources.sort((one, other) => (one.resource.ref < other.resource.ref ? -1 : 1)),
    settings,
    lockfile,
    modules: [...modules.keys()].sort(),
  }
}
