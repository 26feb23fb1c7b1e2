// What a plan changes besides resources: the rules of the environment, and the lockfile that its services are built with.

import type { Delta, Manifest } from '../../engine/generation/manifest.ts'
import { declaredSettings } from '../../schema/declared-settings.ts'
import { shortDigest } from '../../schema/digest.ts'
import { changedFields } from './fields.ts'
import type { FieldChange } from './plan.ts'

/** By the names of environment.yaml, such as `/sync/probation`; last the lockfile, as a digest. Before the first apply all of it is new. */
export function changedSettings(live: Manifest, next: Pick<Delta, 'settings' | 'lockfile'>): readonly FieldChange[] {
  const before = live.settings === null ? { sync: {} } : declaredSettings(live.settings)
  const fields = [...changedFields(before, declaredSettings(next.settings))]
  if (live.lockfile !== next.lockfile) {
    const shown = [live.lockfile, next.lockfile].map(digest => (digest === null ? undefined : shortDigest(digest)))
    fields.push({ pointer: '/lockfile', before: shown[0], after: shown[1] })
  }
  return fields.map(field => ({ ...field, sensitive: false, reconnects: false }))
}
