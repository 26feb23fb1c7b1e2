// What a generation resolves a name to, told apart: a service, or a resource of any kind that is closed.

import type { ServiceView } from './unit.ts'

export function isServiceView(view: unknown): view is ServiceView {
  return typeof view === 'object' && view !== null && 'run' in view && typeof view.run === 'function'
}

/** Why a view does not work, as closed resources of every kind say it; null where it does not say so. */
export function closedOf(view: unknown): string | null {
  return typeof view === 'object' && view !== null && 'closed' in view && typeof view.closed === 'string' ? view.closed : null
}
