// How long a process has really worked, as a machine that is busy with other things is no reason to call it stuck.

import { readFileSync } from 'node:fs'

/** Linux counts in hundredths of a second for user space. @see proc_pid_stat(5) */
const tickMs = 10

/** Milliseconds of processor time, of all its threads; null where the process is gone or the platform does not tell. */
export function cpuTimeMs(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in parentheses and may hold anything; user and system time are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * tickMs
  } catch {
    return null // as above
  }
}
