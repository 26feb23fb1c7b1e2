// Policy as a comparison: which of two is stricter. A server's floors make settings stricter; a revision that makes them
// looser is flagged for it.

import { durationText } from './duration.ts'
import type { EnvironmentSettings, MaxDeletes } from './environment.ts'

/** What an operator demands of every revision (`policy` of plumb.yaml). Only `true` of a boolean is a demand. */
export interface Floors {
  readonly requireSecurity?: boolean
  readonly maxDeletes?: MaxDeletes
  readonly prune?: boolean
}

/** `settings` where they are stricter than `floors`, else the floors. */
export function stricter(settings: EnvironmentSettings, floors: Floors): EnvironmentSettings {
  return {
    ...settings,
    requireSecurity: settings.requireSecurity || floors.requireSecurity === true,
    prune: settings.prune || floors.prune === true,
    maxDeletes: floors.maxDeletes ? smaller(settings.maxDeletes, floors.maxDeletes) : settings.maxDeletes,
  }
}

/** The rules that `after` loosens, one sentence part each, such as `sync.probation from 30s to 0s`; empty where it loosens none. */
export function loosened(before: EnvironmentSettings, after: EnvironmentSettings): string[] {
  const rules: readonly (readonly [string, boolean, string, string])[] = [
    ['mode', before.mode === 'git' && after.mode === 'live', before.mode, after.mode],
    ['requireSecurity', before.requireSecurity && !after.requireSecurity, 'true', 'false'],
    ['sync.auto', !before.auto && after.auto, 'false', 'true'],
    ['sync.prune', before.prune && !after.prune, 'true', 'false'],
    ['sync.preflight', before.preflight === 'require' && after.preflight === 'warn', 'require', 'warn'],
    ['sync.probation', after.probationMs < before.probationMs, durationText(before.probationMs), durationText(after.probationMs)],
    [
      'sync.maxDeletes',
      !isWithin(after.maxDeletes, before.maxDeletes),
      maxDeletesText(before.maxDeletes),
      maxDeletesText(after.maxDeletes),
    ],
  ]
  const added = after.env.filter(name => !before.env.includes(name))
  return [
    ...rules.filter(([, isLooser]) => isLooser).map(([rule, , from, to]) => `${rule} from ${from} to ${to}`),
    ...(added.length > 0 ? [`env by ${added.join(', ')}`] : []),
  ]
}

/** `10%`, `5`, or `10%, at most 5`. */
export function maxDeletesText(maxDeletes: MaxDeletes): string {
  const percent = 'percent' in maxDeletes ? `${maxDeletes.percent}%` : undefined
  const count = 'count' in maxDeletes ? String(maxDeletes.count) : undefined
  return percent && count ? `${percent}, at most ${count}` : (percent ?? count ?? '')
}

function smaller(one: MaxDeletes, other: MaxDeletes): MaxDeletes {
  return { ...one, ...other, ...least('percent', one, other), ...least('count', one, other) }
}

function least(measure: 'percent' | 'count', one: MaxDeletes, other: MaxDeletes): object {
  const values = [measureOf(one, measure), measureOf(other, measure)].filter(value => value !== undefined)
  return values.length === 0 ? {} : { [measure]: Math.min(...values) }
}

/** Whether `one` allows no more than `limit` whatever the number of resources; a share and a number cannot be compared. */
function isWithin(one: MaxDeletes, limit: MaxDeletes): boolean {
  return (['percent', 'count'] as const).every(measure => {
    const most = measureOf(limit, measure)
    return most === undefined || (measureOf(one, measure) ?? Number.POSITIVE_INFINITY) <= most
  })
}

function measureOf(maxDeletes: MaxDeletes, measure: 'percent' | 'count'): number | undefined {
  const both: { percent?: number; count?: number } = maxDeletes
  return both[measure]
}
