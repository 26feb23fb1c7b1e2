// What `format` of a schema may ask for, beyond what patterns can say. Each answer is kept, as estates declare few different
// expressions and are compiled often.

import { isLastingCron } from './cron.ts'
import { readDateTime } from './date-time.ts'
import { isTimezone } from './timezone.ts'

/** Most estates have a few dozen different values; what comes after so many is worked out each time. */
const keptAnswers = 10_000

/** Name of a format → whether a text has it. */
export const formats: Readonly<Record<string, (text: string) => boolean>> = {
  'cron expression that ever fires': remembering(isLastingCron),
  'time zone of the IANA database': remembering(isTimezone),
  'date and time': remembering(text => readDateTime(text) !== null),
}

function remembering(judge: (text: string) => boolean): (text: string) => boolean {
  const known = new Map<string, boolean>()
  return text => {
    const before = known.get(text)
    if (before !== undefined) return before
    const found = judge(text)
    if (known.size < keptAnswers) known.set(text, found)
    return found
  }
}
