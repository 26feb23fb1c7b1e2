// The armed failpoints: FAILPOINTS="swap.before=kill;snapshot.fsynced=sleep:5000" acts where the engine calls failpoint(name).
// Reached only through the package import `#failpoint` under --conditions=failpoints.

import { appendFileSync } from 'node:fs'

const armed = new Map(
  (process.env.FAILPOINTS ?? '')
    .split(';')
    .filter(Boolean)
    .map(rule => {
      const [name = '', action = ''] = rule.split('=')
      return [name, action] as const
    }),
)

export function failpoint(name: string): void {
  const trace = process.env.FAILPOINT_TRACE
  if (trace) appendFileSync(trace, `${name} ${process.title}\n`)
  const action = armed.get(name)
  if (action === undefined) return
  const [verb, amount = '0'] = action.split(':')
  if (verb === 'kill') process.kill(process.pid, 'SIGKILL')
  else if (verb === 'killgroup') process.kill(-Number(process.env.FAILPOINT_GROUP ?? process.pid), 'SIGKILL')
  else if (verb === 'stop') process.kill(process.pid, 'SIGSTOP')
  else if (verb === 'sleep') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(amount))
  else if (verb === 'throw') throw new Error(`Failpoint "${name}" was told to throw`)
  else throw new Error(`Cannot act on failpoint "${name}" as its action is unknown: "${action}"; kill, killgroup, stop, sleep:MS, throw`)
}
