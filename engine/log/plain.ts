// A line of the log for the terminal of whoever develops. Control characters are shown and not obeyed, so that what a caller sent can
// neither begin a line of its own nor command the terminal.

import { levelName } from './level.ts'

export function plainLine(line: string): string {
  const { level, time, process: name, msg, pid: _pid, hostname: _hostname, ...fields } = JSON.parse(line) as Record<string, unknown> // a line of ours
  const rest = Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : ''
  return `${shown(`${new Date(Number(time)).toISOString().slice(11, 23)} ${levelName(Number(level))} ${name}: ${msg}${rest}`)}\n`
}

/** Control characters and bidirectional overrides as `\u001b`. */
function shown(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
