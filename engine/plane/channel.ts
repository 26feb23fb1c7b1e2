// The adapter of HTTP channels. It opens nothing, as the listener belongs to the worker and not to a channel: all it makes is a
// generation's route, with the credentials of that same generation bound to it. What cannot be bound closes the route (503);
// nothing that cannot be bound opens it.

import { closedCredential, isCredential } from '../../adapters/credential.ts'
import type { Adapter, Declared, Resolve } from '../../adapters/port.ts'
import type { AdapterRow } from '../../adapters/table.ts'
import type { JsonObject } from '../../schema/json.ts'
import { kindName, refOf } from '../../schema/ref.ts'
import { closedOf } from '../service/view.ts'
import { createJudge } from './judge.ts'
import { patternProblem } from './pattern.ts'
import type { CredentialView, Merging, Route } from './route.ts'

/** Its views are routes; undefined for a closed channel whose path could not be routed either. */
export const channelAdapter: Adapter<null, Route | undefined> = {
  prepare({ resource }) {
    const problem = patternProblem(textOf(resource.spec, 'url_path') ?? '')
    if (problem !== null) throw new Error(`its url_path cannot be routed: ${problem}`)
    return null
  },
  view: (_, declared, resolve) => routeOf(declared, resolve, declared.resource.closed),
  closed: (declared, reason, resolve) => routeOf(declared, resolve, reason),
  close: () => undefined,
}

const services = kindName('service')

export const channelRow: AdapterRow = {
  kind: kindName('channel_rest'),
  adapter: channelAdapter,
  index: 'routes',
  late: [services],
  judge: createJudge(),
}

const guards = { security: kindName('security'), groups: kindName('groups') }
const defaultTimeoutSeconds = 10

function routeOf({ resource }: Declared, resolve: Resolve, closedReason: string | null): Route | undefined {
  const { spec } = resource
  const pattern = textOf(spec, 'url_path') ?? ''
  if (patternProblem(pattern) !== null) return undefined
  const credentials = credentialsOf(spec, resolve)
  const service = textOf(spec, 'service') ?? ''
  const inactive = spec.is_active === false ? 'the channel is not active' : null
  return {
    ref: resource.ref,
    pattern,
    method: (textOf(spec, 'method') ?? '').toUpperCase(),
    credentials,
    // A channel that is public and names a guard all the same keeps the guard. Where requireSecurity holds, one that is neither
    // public nor guarded does not compile.
    open: credentials.length === 0,
    service: service === '' ? null : refOf(services, service),
    timeoutMs: (typeof spec.timeout === 'number' ? spec.timeout : defaultTimeoutSeconds) * 1_000,
    contentType: textOf(spec, 'content_type') || 'application/json',
    merging: mergingOf(spec),
    closed: closedReason ?? inactive,
  }
}

function credentialsOf(spec: JsonObject, resolve: Resolve): readonly CredentialView[] {
  const security = textOf(spec, 'security')
  const groups = Array.isArray(spec.groups) ? spec.groups.filter(name => typeof name === 'string') : []
  return [...(security ? [refOf(guards.security, security)] : []), ...groups.map(name => refOf(guards.groups, name))].map(ref => {
    const view = resolve(ref)
    if (isCredential(view)) return view
    return closedCredential(closedOf(view) ?? `"${ref}" is not there`)
  })
}

function mergingOf(spec: JsonObject): Merging {
  return {
    parameters: spec.merge_url_params_req !== false,
    first: spec.url_params_pri === 'path-over-qs' ? 'path' : 'query',
    over: spec.params_pri === 'msg-over-channel-params' ? 'nothing' : 'body',
  }
}

function textOf(spec: JsonObject, field: string): string | undefined {
  const value = spec[field]
  return typeof value === 'string' ? value : undefined
}
