// The time between deliveries: a system that is down gets ever more rest, and those who wait for it do not all come back at once.

const firstMs = 1_000
const longestMs = 300_000

/**
 * Milliseconds until the next delivery after `attempts` failed ones: 1 s, doubled each time up to 5 min, a quarter more or less.
 * @param random from 0 up to 1
 */
export function retryMs(attempts: number, random: () => number): number {
  return Math.round(Math.min(firstMs * 2 ** (attempts - 1), longestMs) * (0.75 + random() / 2))
}
