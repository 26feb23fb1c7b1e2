// One life of a process: its pid and when it began, since a pid alone is given again, after a restart of a container at once.

import { readFileSync } from 'node:fs'

/** `<pid>-<start in clock ticks since boot>` of this or another process; null where there is none. */
export function lifeOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in parentheses and may hold anything; the start is the 22nd.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie is dead and waits for its parent to hear of it.
    return fields[0] === 'Z' ? null : `${pid}-${fields[19]}`
  } catch {
    return null // the process is gone
  }
}

export function isOver(life: string): boolean {
  return lifeOf(Number.parseInt(life, 10)) !== life
}
