// What deploys have put over the tree of the source. A layer is one file: its content, or that it is gone. A deploy and its layers are
// written in one step, and what the layers at its paths were before is kept until it has ended, so that one that cannot go live leaves
// nothing behind.

import type { JsonObject } from '../../schema/json.ts'

export interface Layer {
  /** Relative to the root of the estate. */
  readonly path: string
  /** The blob of this store that is the content; null: the file is gone. */
  readonly digest: string | null
  /** git's id of the content; null: the file is gone. */
  readonly blob: string | null
  readonly bytes: number
  /** git's id of the file it lies over; null where there is none. */
  readonly base: string | null
  readonly by: string
  /** ISO time */
  readonly at: string
  /** The deploy that brought it. */
  readonly deploy: string
  /** The working copy it came from. */
  readonly client: string
}

/** One file of a deploy, as it was asked for. */
export interface DeployedFile {
  readonly path: string
  /** SHA-256 of the content; null: the file goes. */
  readonly digest: string | null
  /** git's id of the file that the client saw on the server; null where it saw none. */
  readonly base: string | null
}

export interface Deploy {
  readonly id: string
  readonly client: string
  /** Rises with every deploy of a client. */
  readonly sequence: number
  readonly by: string
  /** ISO time */
  readonly at: string
  readonly files: readonly DeployedFile[]
  /** How it ended; null while it has not. */
  readonly outcome: JsonObject | null
}

export interface LayerStore {
  listLayers(): Promise<readonly Layer[]>
  /**
   * Records a deploy, lays its layers and lifts those at `lifted`: all of it or nothing. False where its id is known.
   * @throws where a layer names content that is not here
   */
  insertDeploy(deploy: Deploy, laid: readonly Layer[], lifted: readonly string[]): Promise<boolean>
  getDeploy(id: string): Promise<Deploy | undefined>
  /** Deploys that have not ended, oldest first. */
  listOpenDeploys(): Promise<readonly Deploy[]>
  /** The highest sequence of a client; 0 where it has deployed nothing. */
  lastSequence(client: string): Promise<number>
  /** Says how a deploy ended. `undo` makes the layers at its paths what they were before it. A deploy that has ended stays as it is. */
  endDeploy(id: string, outcome: JsonObject, undo: boolean): Promise<void>
  /** Number of layers removed. */
  liftLayers(paths: readonly string[]): Promise<number>
  /** Those that are not here; the others are as young as new ones. */
  missingBlobs(digests: readonly string[]): Promise<readonly string[]>
}
