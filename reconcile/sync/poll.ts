import type { Clock } from '../../adapters/port.ts'

const pollMs = 50

/** Resolves once `holds` does; rejects with the signal's reason when it is aborted first. */
export async function pollUntil(
  holds: () => boolean,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  while (!holds()) await clock.sleep(pollMs, signal)
}
