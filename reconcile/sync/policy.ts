// The policy in force. A revision is judged by the rules of the environment that is live, so that a commit cannot lift the rule that
// would have stopped it; its own rules judge the one after it.

import type { Settings } from '../../engine/generation/manifest.ts'
import { canonicalJson } from '../../schema/digest.ts'
import { type Floors, loosened, stricter } from '../../schema/policy.ts'
import type { Compiled } from '../compile/desired.ts'
import type { Tree } from '../source/tree.ts'

/** Compiles a tree for this server, judged by the policy in force. */
export type CompileTree = (tree: Tree) => Promise<Compiled>

export interface Judge {
  /** `live` under `serve`; `own` under `plumb dev`, where each save is judged by its own file. */
  readonly by: 'live' | 'own'
  readonly floors: Floors
}

/** The first revision of a server is judged by its own file and the floors. */
export function policyInForce(judge: Judge, live: Settings | null, own: Settings): Settings {
  return stricter(judge.by === 'own' ? own : (live ?? own), judge.floors)
}

/** The rules the revision loosens for the revisions after it; none in `plumb dev`, where nothing is judged by an earlier one. */
export function loosenedRules(judge: Judge, live: Settings | null, own: Settings): readonly string[] {
  return judge.by === 'own' || live === null ? [] : loosened(live, own)
}

/**
 * Compiles by the policy in force. Where a revision is judged by its own file, that file is only known once it was compiled; if the
 * floors are stricter than it, the tree is compiled again by them.
 * @param compile `policy` null: the revision's own file judges
 */
export function compileJudged(
  compile: (tree: Tree, policy: Settings | null) => Promise<Compiled>,
  judge: Judge,
  live: () => Settings | null,
): CompileTree {
  return async tree => {
    const settings = judge.by === 'own' ? null : live()
    if (settings !== null) return compile(tree, stricter(settings, judge.floors))
    const compiled = await compile(tree, null)
    if (compiled.desired === null) return compiled
    const policy = stricter(compiled.desired.settings, judge.floors)
    return canonicalJson({ ...policy }) === canonicalJson({ ...compiled.desired.settings }) ? compiled : compile(tree, policy)
  }
}
