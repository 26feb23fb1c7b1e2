// Debuggers that are attached, as a condition of the environment: one that was forgotten is named, with who left it there.

import type { Condition } from '../generation/engine.ts'
import type { DebugSession } from './session.ts'

/** Null while none is attached. @param isAwaited an apply waits for a worker that a debugger holds */
export function debuggerCondition(sessions: readonly DebugSession[], isAwaited: boolean): Condition | null {
  const held = sessions.filter(({ state }) => state === 'paused')
  const [first] = [...(held.length > 0 ? held : sessions)].sort((one, other) => (one.since < other.since ? -1 : 1))
  if (!first) return null
  const reason = isAwaited ? 'ApplyWaits' : held.length > 0 ? 'WorkerPaused' : 'Attached'
  return { type: 'DebuggerAttached', status: true, reason, since: first.since, actor: first.actor }
}
