// How much of an estate is taken in. A repository that is larger is refused by name, before memory or time is spent on it.

export interface Budget {
  readonly entries: number
  /** Bytes of one file that is read; larger files may lie in the tree as long as nothing reads them. */
  readonly fileBytes: number
  /** Bytes of all files of one `read`. */
  readonly totalBytes: number
}

export const defaultBudget: Budget = { entries: 20_000, fileBytes: 1_000_000, totalBytes: 256_000_000 }
