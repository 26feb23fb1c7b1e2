// A group of security definitions: any one of its members lets a caller pass.

import { type Credential, closedCredential, isCredential } from './credential.ts'
import type { Adapter } from './port.ts'

export const groupsAdapter: Adapter<null, Credential> = {
  prepare: () => null,
  view: (_instance, { resource }, resolve) =>
    resource.refs.length === 0 ? nobody : anyOf(resource.name, resource.refs.map(resolve).filter(isCredential)),
  closed: (_declared, reason) => closedCredential(reason),
  close: () => undefined,
}

const nobody: Credential = { authenticate: () => null, challenge: null, closed: null, empty: true }

/** Members that are closed let nobody pass; the group is closed only where all of them are. */
function anyOf(name: string, members: readonly Credential[]): Credential {
  const open = members.filter(member => member.closed === null)
  if (open.length === 0) return closedCredential(members[0]?.closed ?? `no member of group "${name}" is there`)
  return {
    authenticate(headers) {
      // Every member is asked, so that the time tells nothing about which one knew the caller.
      const callers = open.map(member => member.authenticate(headers))
      return callers.find(caller => caller !== null) ?? null
    },
    challenge: open.find(member => member.challenge !== null)?.challenge ?? null,
    closed: null,
  }
}
