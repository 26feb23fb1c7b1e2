// A link that may break without a word: while a request runs, the server is asked every two seconds over another connection whether it
// is there. An answer may take long (a service is loaded, a generation proves itself); a link that is gone is known within seconds.

import { type AdminClient, UnreachableError } from './client.ts'

const askEveryMs = 2_000
const answerMs = 4_000

/** @throws what `run` throws; it is given up through its signal once the server does not answer, or when `signal` is aborted */
export async function overLink<T>(
  probe: (signal: AbortSignal) => Promise<AdminClient>,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController()
  const over = new AbortController()
  const ask = async () => {
    try {
      await using _ = await probe(AbortSignal.any([AbortSignal.timeout(answerMs), over.signal]))
    } catch (error) {
      if (error instanceof UnreachableError) lost.abort(new Error('it does not answer'))
    }
  }
  const asking = setInterval(() => void ask(), askEveryMs)
  try {
    return await run(AbortSignal.any([signal, lost.signal]))
  } finally {
    clearInterval(asking)
    over.abort()
  }
}
