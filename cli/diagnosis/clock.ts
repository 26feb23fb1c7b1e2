// The clock: schedules, expiry and certificates go by it.

import { type Diagnosis, ok, problem, warning } from './diagnosis.ts'

const tolerableMs = 5_000
const wrongMs = 60_000

/**
 * @param now milliseconds
 * @param others what others say it is at that instant: name → milliseconds, to the second
 */
export function examineClock(now: number, others: ReadonlyMap<string, number>): Diagnosis {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  const here = `${new Date(now).toISOString()}, time zone ${zone}`
  const [worst] = [...others].sort(([, one], [, other]) => Math.abs(other - now) - Math.abs(one - now))
  const next = 'Have the machine keep its clock by NTP: timedatectl set-ntp true'
  if (worst === undefined) return ok('clock', `It is ${here}; there was nobody to compare with`)
  const [name, at] = worst
  const apart = `${here}; ${name} is ${Math.round(Math.abs(at - now) / 1000)} s ${at > now ? 'ahead' : 'behind'}`
  if (Math.abs(at - now) > wrongMs) return problem('clock', `It is ${apart}`, next)
  if (Math.abs(at - now) > tolerableMs) return warning('clock', `It is ${apart}`, next)
  return ok('clock', `It is ${here}, in agreement with ${[...others.keys()].join(' and ')}`)
}
