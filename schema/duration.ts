// Durations as people write them (`30s`, `5m`) and as timers take them.

const millisecondsIn: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The most a timer of Node.js holds, about 24 days; a longer one would fire at once. */
export const maxTimerMs = 2 ** 31 - 1

/** Milliseconds of a whole number and one unit (ms, s, m, h, d); undefined where `text` is none or exceeds what a timer holds. */
export function durationMs(text: string): number | undefined {
  const [, amount, unit = ''] = /^([0-9]{1,10})(ms|s|m|h|d)$/.exec(text) ?? []
  const ms = Number(amount) * (millisecondsIn[unit] ?? Number.NaN)
  return ms <= maxTimerMs ? ms : undefined
}

/** The shortest way to write `ms`: 90000 gives `90s`, 60000 gives `1m`, 0 gives `0s`. */
export function durationText(ms: number): string {
  if (ms === 0) return '0s'
  const [unit, size] = Object.entries(millisecondsIn).findLast(([, size]) => ms % size === 0) ?? ['ms', 1]
  return `${ms / size}${unit}`
}
