// Where the time of a request goes: V8's sampling profiler in the measured process, its samples summed by the part of the server
// whose own code was running. What C++ does below a function counts as that function's, but for the write to the socket.

import { type Profiler, Session } from 'node:inspector/promises'

/** Samples are this far apart. */
const intervalMicroseconds = 100

/** Begins to profile this process; the function that is returned ends it. */
export async function startProfile(): Promise<() => Promise<Readonly<Record<string, number>>>> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: intervalMicroseconds })
  await session.post('Profiler.start')
  return async () => {
    const { profile } = await session.post('Profiler.stop')
    session.disconnect()
    return sharesOf(profile)
  }
}

/** Part → its share of the time in which the process was not idle, 0 to 1. */
function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Readonly<Record<string, number>> {
  const parts = new Map(nodes.map(({ id, callFrame }) => [id, partOf(callFrame)]))
  const times = new Map<string, number>()
  let whole = 0
  for (const [at, id] of samples.entries()) {
    const part = parts.get(id)
    if (part === undefined) continue
    const time = timeDeltas[at] ?? 0
    times.set(part, (times.get(part) ?? 0) + time)
    whole += time
  }
  return Object.fromEntries([...times].map(([part, time]) => [part, time / whole]))
}

function partOf({ functionName, url }: Profiler.Profile['nodes'][number]['callFrame']): string | undefined {
  if (functionName === '(idle)' || functionName === '(root)') return undefined
  if (functionName === '(garbage collector)') return 'garbage collection'
  if (functionName === '(program)') return 'the HTTP parser and reads'
  if (/^write(?:v|(?:Latin1|Utf8|Ascii)String|Buffer)$/.test(functionName)) return 'the write to the socket'
  if (url.startsWith('node:')) return "Node's http, net and streams"
  return /\/(engine\/\w+)\/[\w-]+\.ts$/.exec(url)?.[1] ?? 'the service, its check, and what V8 does for all'
}
