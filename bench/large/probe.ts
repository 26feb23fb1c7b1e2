// Loaded into the workers of a measured server by NODE_OPTIONS, so that nothing of the kind is in the product. While it is told to,
// it notes for each turn of the event loop how much processor time the thread took: the longest is the longest piece of work that
// held the loop. What the garbage collector took of a turn is told apart, as it does not depend on how the work is cut.
//
// Speaks over a Unix socket in the folder that its own URL names, called by the pid: `start\n` … `stop\n`, which is answered by one line of JSON.

import { createServer } from 'node:net'
import { join } from 'node:path'
import { monitorEventLoopDelay, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

export interface Turns {
  /** Milliseconds of processor time of the longest turn, without and with garbage collection. */
  readonly longestMs: number
  readonly longestWithCollectionMs: number
  /** 99.9th percentile of the delay of the event loop, in milliseconds. */
  readonly delayMs: number
  readonly longestCollectionMs: number
  readonly turns: number
}

interface Turn {
  readonly from: number
  readonly to: number
  readonly cpuMs: number
}

const folder = new URL(import.meta.url).searchParams.get('folder')
if (folder !== null && isMainThread && /worker-main\.[jt]s$/.test(process.argv[1] ?? '')) listen(join(folder, `${process.pid}.sock`))

function listen(path: string): void {
  const server = createServer(socket => {
    let stop: (() => Promise<Turns>) | null = null
    socket.on('data', async command => {
      if (String(command) === 'start\n') {
        stop = watchTurns()
        socket.write('started\n')
      } else if (stop) socket.end(`${JSON.stringify(await stop())}\n`)
    })
  })
  server.listen(path)
  server.unref()
}

function watchTurns(): () => Promise<Turns> {
  const turns: Turn[] = []
  const collections: PerformanceEntry[] = []
  const observer = new PerformanceObserver(list => void collections.push(...list.getEntries()))
  observer.observe({ entryTypes: ['gc'] })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  let isOver = false
  let from = performance.now()
  let before = cpuMs()
  const turn = () => {
    const [to, after] = [performance.now(), cpuMs()]
    // Idle turns are many and say nothing.
    if (after - before > 0.5) turns.push({ from, to, cpuMs: after - before })
    from = to
    before = after
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  return async () => {
    isOver = true
    delay.disable()
    // The observer is told with a turn of the loop.
    await new Promise(resolve => setTimeout(resolve, 20))
    observer.disconnect()
    const collected = ({ from: start, to }: Turn) =>
      collections.filter(({ startTime }) => startTime >= start && startTime < to).reduce((sum, { duration }) => sum + duration, 0)
    return {
      longestMs: Math.max(0, ...turns.map(each => heldMs(each) - collected(each))),
      longestWithCollectionMs: Math.max(0, ...turns.map(heldMs)),
      delayMs: delay.percentile(99.9) / 1e6,
      longestCollectionMs: Math.max(0, ...collections.map(({ duration }) => duration)),
      turns: turns.length,
    }
  }
}

/** The processor's time is told in ticks, and so may be more than what passed. */
function heldMs({ from, to, cpuMs: spent }: Turn): number {
  return Math.min(spent, to - from)
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
