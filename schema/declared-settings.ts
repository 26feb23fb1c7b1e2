// Settings in the words of environment.yaml, so that whoever reads of a change finds the field where it is declared.

import { durationText } from './duration.ts'
import type { EnvironmentSettings } from './environment.ts'
import type { JsonObject } from './json.ts'
import { maxDeletesText } from './policy.ts'

/** Two settings that differ are declared differently. What has its default is there as well; a schedule only where one is declared. */
export function declaredSettings(settings: EnvironmentSettings): JsonObject {
  const { auto, prune, preflight, schedule, maxDeletes, probationMs, ...rest } = settings
  const deletes = 'percent' in maxDeletes ? maxDeletesText(maxDeletes) : maxDeletes.count
  const sync = { auto, maxDeletes: deletes, preflight, probation: durationText(probationMs), prune }
  return { ...rest, sync: { ...sync, ...(schedule === null ? {} : { schedule }) } }
}
