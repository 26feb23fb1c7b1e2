// Where deploys of this server land: in the folder that `plumb dev` serves, or as layers over the commits that `plumb serve` follows.

import type { Clock } from '../adapters/port.ts'
import type { Engine } from '../engine/generation/engine.ts'
import type { Store } from '../engine/store/port.ts'
import { createLayeredSource, type Superseded } from '../reconcile/source/layered.ts'
import { printable } from '../reconcile/source/path.ts'
import type { Source } from '../reconcile/source/source.ts'
import { folderGround, type Ground, layerGround } from '../reconcile/sync/deploy-ground.ts'
import { createLayeredCompile } from '../reconcile/sync/layered-compile.ts'
import type { CompileTree } from '../reconcile/sync/policy.ts'
import { layerRow } from '../reconcile/sync/resources.ts'
import { canonicalJson } from '../schema/digest.ts'
import { issue } from '../schema/issue.ts'
import type { JsonObject } from '../schema/json.ts'
import type { Followed } from './source.ts'

export interface GroundOptions {
  readonly followed: Followed
  readonly compile: CompileTree
  readonly inputs: () => Promise<string>
  readonly store: Store
  readonly engine: Engine
  readonly clock: Clock
}

export interface OpenGround {
  /** What passes follow: with the files of deploys in it. */
  readonly source: Source
  readonly compile: CompileTree
  readonly ground: Ground
  /** `{ layers, superseded }`, for the status. */
  readonly deployed: () => Promise<JsonObject>
}

// What status names; the journal has them all.
const maxSuperseded = 100

export function openGround({ followed, compile, inputs, store, engine, clock }: GroundOptions): OpenGround {
  const { worktree } = followed
  if (worktree !== null) {
    const deployed = async () => ({ layers: [], superseded: [] })
    return { source: followed.source, compile, ground: folderGround({ worktree, store, compile }), deployed }
  }
  let superseded: JsonObject[] = []
  const source = createLayeredSource({
    base: followed.source,
    store,
    live: () => engine.live().manifest.revision,
    async onSuperseded(found) {
      const at = new Date(clock.now()).toISOString()
      const told = found.map(one => supersededRow(one, at))
      superseded = [...told, ...superseded].slice(0, maxSuperseded)
      for (const each of told) await store.appendJournal('deploy.superseded', each).catch(() => null) // status has it; the store is in trouble and says so itself
    },
  })
  const layered = createLayeredCompile({
    compile,
    source,
    // What is judged by the rules that are live is compiled by them.
    inputs: async () => `${canonicalJson({ ...engine.live().manifest.settings })} ${await inputs()}`,
  })
  return {
    source,
    compile: layered.compile,
    ground: layerGround({ source, store, engine, compile: layered.candidate }),
    deployed: async () => ({ layers: (await source.layers()).map(layerRow), superseded }),
  }
}

function supersededRow({ layer: { path, by, deploy }, why, revision }: Superseded, at: string): JsonObject {
  const message = `The deployed ${printable(path)} gave way as ${why}; what git has is live`
  const { code, severity } = issue('DEPLOY_SUPERSEDED', message)
  return { code, severity, message, path, by, deploy, why, revision, supersededAt: at }
}
