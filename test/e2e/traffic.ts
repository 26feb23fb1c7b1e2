// A light load that never rests, from the process of the test: what was asked of a server while something was done to it.

import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../until.ts'
import { type Answer, call } from './server.ts'

export interface Traffic extends AsyncDisposable {
  /** What was not answered with 200, and how. */
  readonly failures: readonly string[]
  readonly answers: number
  /** Waits until requests that begin now are answered. */
  goesOn(): Promise<void>
  /** Waits for an answer that `holds`. */
  until(holds: (answer: Answer) => boolean): Promise<void>
  stop(): Promise<void>
}

const connections = 4
const pauseMs = 5

/** Sends `body` as JSON to `url`, again and again, on four connections. */
export function keepCalling(url: string, body: unknown): Traffic {
  const state = { isStopping: false, answers: 0, last: null as Answer | null }
  const failures: string[] = []
  const loops = Array.from({ length: connections }, async () => {
    while (!state.isStopping) {
      try {
        const answer = await call(url, body)
        if (answer.status === 200) state.last = answer
        else failures.push(`${answer.status} ${JSON.stringify(answer.body)}`)
      } catch (error) {
        failures.push(String(error))
      }
      state.answers += 1
      await sleep(pauseMs)
    }
  })
  const stop = async () => {
    state.isStopping = true
    await Promise.all(loops)
  }
  return {
    failures,
    get answers() {
      return state.answers
    },
    goesOn() {
      const before = state.answers
      return until(() => state.answers >= before + 2 * connections, 'Traffic went on')
    },
    until: holds => until(() => state.last !== null && holds(state.last), 'The answer'),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
