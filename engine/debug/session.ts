// A debugger that is attached, as people are told of it.

export interface Debugger {
  readonly actor: string
  /** Where it comes from. */
  readonly address: string
}

export interface DebugSession extends Debugger {
  readonly worker: number
  readonly state: 'attached' | 'paused'
  /** ISO time it was attached at. */
  readonly since: string
}
