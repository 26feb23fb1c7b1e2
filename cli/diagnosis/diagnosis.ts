// What the doctor found out about one thing that a server needs.

export interface Diagnosis {
  /** What was looked at, such as `port 17010`. */
  readonly check: string
  /** A warning works today; with a problem something does not. What could not be looked at is skipped. */
  readonly status: 'ok' | 'warning' | 'problem' | 'skipped'
  readonly message: string
  /** What to do; null where nothing is to be done. */
  readonly next: string | null
}

/** What is examined: a server as it would be started. */
export interface Subject {
  readonly environment: string
  readonly source:
    | { readonly kind: 'git'; readonly url: string; readonly ref: string; readonly allowLocal: boolean }
    | { readonly kind: 'worktree'; readonly root: string }
  readonly dataDirectory: string
  readonly sealKeyPath: string
  readonly channels: { readonly host: string; readonly port: number }
  readonly admin: { readonly host: string; readonly port: number }
}

export function ok(check: string, message: string): Diagnosis {
  return { check, status: 'ok', message, next: null }
}

export function warning(check: string, message: string, next: string): Diagnosis {
  return { check, status: 'warning', message, next }
}

export function problem(check: string, message: string, next: string): Diagnosis {
  return { check, status: 'problem', message, next }
}

export function skipped(check: string, message: string, next: string | null = null): Diagnosis {
  return { check, status: 'skipped', message, next }
}
