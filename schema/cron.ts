// Cron expressions, judged when they are declared instead of when they should have fired.

import { CronExpressionParser } from 'cron-parser'

/** Whether `expression` has five or six fields and fires some day. `@hourly` and the like, and `H` (a random time), are not accepted. */
export function isLastingCron(expression: string): boolean {
  const fields = expression.trim().split(/\s+/)
  if ((fields.length !== 5 && fields.length !== 6) || fields.some(field => /(^|[,/-])H/i.test(field))) return false
  try {
    CronExpressionParser.parse(expression).next()
    return true
  } catch {
    return false // the parser says by throwing that it is malformed or names a day that never comes
  }
}
