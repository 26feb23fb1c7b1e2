// Slows down whoever tries tokens: after a few wrong ones an address waits, each time twice as long. It backs off and never bans,
// so that nobody can lock an operator out for good; a request without a token is no attempt, as any web page can cause one.

export interface Attempts {
  /** Milliseconds that `address` still has to wait; 0 where it may try. */
  waitMs(address: string): number
  failed(address: string): void
  succeeded(address: string): void
}

const freeAttempts = 5
const firstWaitMs = 1000
const longestWaitMs = 60_000
/** An address that was silent for so long starts anew. */
const forgetMs = 15 * 60_000
/** Addresses that are remembered; beyond, the one silent for longest is forgotten. */
const maxAddresses = 10_000

/** @param now milliseconds of a clock that does not go back */
export function createAttempts(now: () => number = () => performance.now()): Attempts {
  const seen = new Map<string, { failures: number; until: number; at: number }>()
  return {
    waitMs(address) {
      const found = seen.get(address)
      return found ? Math.max(0, found.until - now()) : 0
    },
    failed(address) {
      const at = now()
      const found = seen.get(address)
      const failures = found && at - found.at < forgetMs ? found.failures + 1 : 1
      const waitMs = failures < freeAttempts ? 0 : Math.min(firstWaitMs * 2 ** (failures - freeAttempts), longestWaitMs)
      // put last, so that the first key is the one silent for longest
      seen.delete(address)
      seen.set(address, { failures, until: at + waitMs, at })
      for (const oldest of seen.keys()) {
        if (seen.size <= maxAddresses) break
        seen.delete(oldest)
      }
    },
    succeeded: address => void seen.delete(address),
  }
}
