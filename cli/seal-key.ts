import type { Log } from '../adapters/port.ts'
import { createSealKey, readSealKey, type SealKey } from '../schema/seal.ts'

/**
 * The key that seals secrets, made where it is missing. Null, with the reason logged, where it cannot be used: what needs a secret
 * then answers 503 and everything else works.
 */
export function openKey(path: string, log: Log): SealKey | null {
  try {
    const existing = readSealKey(path)
    if (existing) return existing
    const created = createSealKey(path)
    process.stdout.write(`Made the seal key ${path}; keep a copy, as nothing else opens the secrets in the data directory\n`)
    return created
  } catch (error) {
    log.error(
      { path, reason: error instanceof Error ? error.message : String(error) },
      'Cannot use the seal key; resources that need a secret stay closed',
    )
    return null
  }
}
