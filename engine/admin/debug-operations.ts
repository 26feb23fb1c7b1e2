// What the admin API does about debuggers.

import type { DebugHost } from '../debug/host.ts'
import type { DebugOperations } from './debug-port.ts'
import { type Actor, Refusal } from './port.ts'

export interface DebugOperationsOptions {
  readonly host: DebugHost
  /** Whether this server lets anybody debug it. */
  readonly isAllowed: boolean
}

export function createDebugOperations({ host, isAllowed }: DebugOperationsOptions): DebugOperations {
  return {
    targets() {
      allow()
      return { targets: host.targets().map(target => ({ ...target })), sessions: host.sessions().map(session => ({ ...session })) }
    },
    target(id, actor) {
      allow()
      const target = host.targets().find(({ worker }) => worker === id)
      if (!target)
        throw new Refusal(404, 'UNKNOWN', `Cannot debug worker ${id} as no such worker is connected; plumb status lists those that are`)
      return { tunnel: { ...target, actor: actor.name, address: actor.address ?? 'unix socket' } }
    },
    detach(actor: Actor) {
      return { detached: host.detachAll(`${actor.name} ended all sessions`) }
    },
  }

  function allow(): void {
    if (!isAllowed)
      throw new Refusal(
        403,
        'DEBUG_NOT_ALLOWED',
        'Cannot debug this server as it does not allow it: "debug: { allow: true }" in its plumb.yaml does, from its next start on',
      )
  }
}
