// The policy in force. A revision is judged by the rules of the environment that is live, so that a commit cannot lift the rule that
// would have stopped it; its own rules judge the one after it.

import type { Settings } from '../../engine/generation/manifest.ts'
import { type Floors, loosened, stricter } from '../../schema/policy.ts'

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
