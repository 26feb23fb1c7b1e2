// The thread behind lifeline.ts: beats while the main loop turns, and ends the process when the supervisor is gone.

import { rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { Pauses } from '../debug/pauses.ts'
import { writeBlame } from './blame.ts'
import { heldUpSinceStartMs, judgeSilence } from './silence.ts'

interface Given {
  readonly fd: number
  readonly shared: SharedArrayBuffer
  readonly pauses: SharedArrayBuffer
  readonly blamePath: string | null
}
const { fd, shared, pauses: buffer, blamePath } = workerData as Given // given by lifeline.ts
const beatMs = 500
const pauses = new Pauses(buffer)
const cells = new Int32Array(shared)
const pipe = new Socket({ fd, readable: true, writable: true })
let names: readonly string[] = []
// A process that still loads its code neither beats nor is stuck.
let turns = 0
let turnedAt = performance.now()
let heldUpAtTurnMs = 0
let blamed = false

pipe.on('error', endProcess)
pipe.on('close', endProcess)
pipe.resume()
parentPort?.on('message', (given: readonly string[]) => {
  names = given
})
setInterval(beat, beatMs)

function beat(): void {
  const seen = Atomics.load(cells, 0)
  if (seen !== turns || (turns > 0 && pauses.sessions > 0)) {
    turns = seen
    turnedAt = performance.now()
    heldUpAtTurnMs = heldUpSinceStartMs()
    // It was slow, not stuck; or whoever debugs it has it stand still.
    if (blamed && blamePath !== null) rmSync(blamePath, { force: true })
    blamed = false
    pipe.write('.')
  } else if (turns > 0) judge()
}

/** Of a loop that did not turn since the last look. */
function judge(): void {
  const silence = judgeSilence(performance.now() - turnedAt, heldUpSinceStartMs() - heldUpAtTurnMs)
  if (silence === 'held up') pipe.write('.')
  if (silence !== 'stuck' || blamed) return
  blamed = true
  const name = names[Atomics.load(cells, 1) - 1]
  if (blamePath !== null && name !== undefined) writeBlame(blamePath, { name, reason: 'blocked the event loop' })
}

// The main thread may be stuck: it is asked first, and killed half a second later.
function endProcess(): void {
  parentPort?.postMessage('orphaned')
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), 500)
}
