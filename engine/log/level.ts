// The levels of the log: by name for people and plumb.yaml, by number in the lines.

/** As pino numbers them; `silent` is above all. */
export const levels = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60, silent: 100 } as const

export type Level = keyof typeof levels

export function isLevel(text: string): text is Level {
  return Object.hasOwn(levels, text)
}

/** The name of a number in a line; the nearest below where it is between two. */
export function levelName(number: number): Level {
  return Object.entries(levels).reduce<Level>((found, [name, least]) => (isLevel(name) && number >= least ? name : found), 'trace')
}
