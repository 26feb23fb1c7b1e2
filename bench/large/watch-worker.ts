// The bench's side of probe.ts: has one worker watched while something happens.

import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Turns } from './probe.ts'

/** Environment of a server whose workers can be watched: of its variables this one reaches them. */
export function watchable(folder: string): Record<string, string> {
  const probe = new URL('probe.ts', import.meta.url)
  probe.searchParams.set('folder', folder)
  return { NODE_OPTIONS: `--import=${probe}` }
}

export async function watchWorker<Result>(folder: string, pid: number, work: () => Promise<Result>): Promise<[Turns, Result]> {
  const socket = connect(join(folder, `${pid}.sock`))
  await once(socket, 'connect')
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  socket.write('start\n')
  await lines.next()
  const result = await work()
  socket.write('stop\n')
  const told = await lines.next()
  socket.destroy()
  return [JSON.parse(told.value ?? 'null') as Turns, result] // written by probe.ts
}
