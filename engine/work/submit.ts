// The worker's way to the queue. Control may be away for a moment: it is waited for, and then the caller is told; nothing is
// accepted that control did not say is on disk.

import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../adapters/redact.ts'
import { LinkError } from '../process/link.ts'
import type { Submit } from '../service/later.ts'
import { ServiceUnavailable } from '../service/sdk.ts'
import type { Acceptance, Submission } from './queue.ts'

export interface SubmitOptions {
  /** Rejects with LinkError where control is away, or goes away. */
  readonly ask: (submission: Submission, timeoutMs: number) => Promise<Acceptance>
  /** How long control is waited for. Default 2 s. */
  readonly awayMs?: number
}

const retryMs = 20
/** Control is there and its disk is slow. */
const answerMs = 10_000

/** Resolves once the task is on disk. @throws ServiceUnavailable with a `code`; the signal's reason */
export function createSubmit({ ask, awayMs = 2_000 }: SubmitOptions): Submit {
  return async (task, signal) => {
    let awaySince: number | null = null
    let isRepeated = false
    for (;;) {
      signal.throwIfAborted()
      const leftMs: number = awaySince === null ? answerMs : awaySince + awayMs - performance.now()
      if (leftMs <= 0) throw away(isRepeated)
      try {
        const answer = await ask({ ...task, isRepeated }, leftMs)
        if (answer.kind === 'accepted') return
        throw unavailable(answer.code, answer.reason)
      } catch (error) {
        if (error instanceof ServiceUnavailable) throw error
        if (!(error instanceof LinkError)) throw unavailable('QUEUE_FAILED', `the server could not write it down: ${messageOf(error)}`)
        // What is repeated may have been accepted, and even delivered, meanwhile: it is marked as such.
        isRepeated ||= error.mayHaveArrived
        awaySince ??= performance.now()
      }
      await sleep(retryMs)
    }
  }
}

function away(mayBeAccepted: boolean): ServiceUnavailable {
  const reason = 'the control process is away'
  return unavailable('CONTROL_AWAY', mayBeAccepted ? `${reason} since it was asked; it may have been accepted` : reason)
}

function unavailable(code: string, reason: string): ServiceUnavailable {
  return new ServiceUnavailable(`Cannot accept the call as ${reason}`, { extensions: { code } })
}
