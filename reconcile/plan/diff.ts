// What would change: the desired state against the live one, resource by resource and field by field. Pure.
// Ownership is decided here and nowhere else: a pass touches only what its own origin declared, so a resource that came in another
// way is never changed or deleted by it, and a second declaration of it is an issue.

import type { Entry, Manifest, Origin } from '../../engine/generation/manifest.ts'
import { type Digest, shortDigest } from '../../schema/digest.ts'
import { type Issue, issue, type Position } from '../../schema/issue.ts'
import type { Kind } from '../../schema/kind.ts'
import type { KindName, Ref } from '../../schema/ref.ts'
import type { Desired, DesiredResource } from '../compile/desired.ts'
import { standsBehind } from './behind.ts'
import { changedFields } from './fields.ts'
import type { Change, FieldChange } from './plan.ts'

export interface DiffOptions {
  /** Whose resources this pass owns. Default `git`. */
  readonly origin?: 'git' | 'cli'
  /** What only files of deploys declare: it has the origin `cli`, and a pass of `git` owns it. Default: nothing. */
  readonly deployed?: ReadonlySet<Ref>
  readonly kinds: ReadonlyMap<KindName, Kind>
  /** False: what is no longer declared stays, as a `keep` with the reason. Default true. */
  readonly prune?: boolean
}

export interface Diff {
  /** What changes, sorted by ref, and then what stays for a reason. What merely stays as it is is counted. */
  readonly changes: readonly Change[]
  /** How many resources, desired or owned, stay. */
  readonly kept: number
  /** Conflicts of ownership. */
  readonly issues: readonly Issue[]
}

export function diff(desired: Desired, live: Manifest, options: DiffOptions): Diff {
  const { origin = 'git', prune = true, kinds, deployed = new Set<Ref>() } = options
  const changes: Change[] = []
  const staying: Change[] = []
  const issues: Issue[] = []
  let [kept, met] = [0, 0]
  for (const resource of desired.resources.values()) {
    const entry = live.entries.get(resource.ref)
    if (!entry) {
      changes.push(creation(resource))
      continue
    }
    met++
    if (!isOwned(entry.origin, origin)) issues.push(conflict(resource, entry.origin))
    const moved = origin === 'git' ? movedTo(entry.origin, deployed.has(resource.ref)) : null
    if (isSame(entry.resource, resource) && moved === null) kept++
    else changes.push(withReason(compare(entry, resource, kinds.get(resource.kind)), moved))
  }
  if (met < live.entries.size)
    for (const entry of live.entries.values()) {
      if (!isOwned(entry.origin, origin) || desired.resources.has(entry.resource.ref)) continue
      if (prune) changes.push(removal(entry, desired.environment))
      else staying.push(unpruned(entry))
    }
  changes.sort((a, b) => (a.ref < b.ref ? -1 : 1))
  return { changes: [...standsBehind(changes, desired, live, kinds), ...staying], kept: kept + staying.length, issues }
}

/** What a deploy brought belongs to the pass that compiles its file. */
function isOwned(origin: Origin, by: 'git' | 'cli'): boolean {
  return origin.from === 'cli' && origin.deployed === true ? by === 'git' : origin.from === by
}

/** Why the live origin is no longer the right one; null where it is. */
function movedTo(live: Origin, isDeployed: boolean): string | null {
  const wasDeployed = live.from === 'cli' && live.deployed === true
  if (wasDeployed === isDeployed || (live.from !== 'git' && !wasDeployed)) return null
  return isDeployed ? 'only a deployed file declares it' : 'the commit declares what a deploy brought'
}

function withReason(change: Change, reason: string | null): Change {
  return reason === null ? change : { ...change, reasons: [...change.reasons, reason] }
}

function creation(resource: DesiredResource): Change {
  const reasons = resource.closed === null ? [] : [`stays closed: ${resource.closed}`]
  return { ...blank('create', resource.ref), at: resource.at, reasons, digests: [null, resource.effectiveDigest] }
}

function removal({ resource, declaredAt }: Entry, environment: string): Change {
  const reasons = [`no longer declared in ${environment}`]
  return { ...blank('delete', resource.ref), at: positionOf(declaredAt), reasons, digests: [resource.effectiveDigest, null] }
}

function unpruned({ resource: { ref, effectiveDigest }, declaredAt }: Entry): Change {
  const reasons = [`no longer declared, and kept as "sync.prune" is false`]
  return { ...blank('keep', ref), at: positionOf(declaredAt), reasons, digests: [effectiveDigest, effectiveDigest] }
}

function isSame(before: Entry['resource'], after: DesiredResource): boolean {
  return before.effectiveDigest === after.effectiveDigest && before.closed === after.closed
}

function compare(entry: Entry, after: DesiredResource, kind: Kind | undefined): Change {
  const before = entry.resource
  const digests = [before.effectiveDigest, after.effectiveDigest] as const
  const base = { at: after.at, digests }
  // Only what services connect to holds a connection; for the rest the digest is a matter of sharing, not of an interruption.
  const reconnects = before.instanceKey !== after.instanceKey && kind?.client !== null
  const isConnecting = (pointer: string) => reconnects && !kind?.inPlace.has(pointer.split('/')[1] ?? '')
  const sensitive = new Set([...Object.keys(entry.sealed), ...after.secrets.keys()])
  const tainted = new Set([...before.tainted, ...after.tainted])
  const secretDigests = [shown(before.secretDigest), shown(after.secretDigest)] as const
  const fields: FieldChange[] = changedFields(before.spec, after.spec).map(field => {
    const reconnecting = { reconnects: isConnecting(field.pointer) }
    if (covers(sensitive, field.pointer))
      return { pointer: field.pointer, before: secretDigests[0], after: secretDigests[1], sensitive: true, ...reconnecting }
    if (covers(tainted, field.pointer)) return { pointer: field.pointer, before: '***', after: '***', sensitive: true, ...reconnecting }
    return { ...field, sensitive: false, ...reconnecting }
  })
  const reasons: string[] = []
  if (before.secretDigest !== after.secretDigest && !fields.some(field => field.sensitive && field.before !== '***')) {
    const [only, another] = sensitive
    const pointer = only !== undefined && another === undefined ? only : ''
    fields.push({
      pointer,
      before: secretDigests[0],
      after: secretDigests[1],
      sensitive: true,
      reconnects: reconnects && isConnecting(only ?? ''),
    })
    reasons.push(
      pointer === '' ? `the value of at least one of its secrets changed: ${[...sensitive].join(', ')}` : 'the value of its secret changed',
    )
  }
  if (before.closed !== after.closed)
    reasons.push(after.closed === null ? `no longer closed: ${before.closed}` : `stays closed: ${after.closed}`)
  if (fields.length === 0 && before.effectiveDigest !== after.effectiveDigest) {
    fields.push({ pointer: '', before: shortDigest(digests[0]), after: shortDigest(digests[1]), sensitive: false, reconnects: false })
    reasons.push('what it is built from changed: a file it imports, or the lockfile')
  }
  return { ...blank('update', after.ref), ...base, fields, reasons, reconnects }
}

/** A list or object that holds a secret is as secret as the leaf. */
function covers(pointers: ReadonlySet<string>, pointer: string): boolean {
  if (pointers.has(pointer)) return true
  for (const secret of pointers) if (secret.startsWith(`${pointer}/`) || pointer.startsWith(`${secret}/`)) return true
  return false
}

function shown(digest: Digest | null): string | undefined {
  return digest === null ? undefined : shortDigest(digest)
}

function conflict(resource: DesiredResource, origin: Origin): Issue {
  const from = origin.from === 'cli' ? `was put there by "${origin.by}" through the command line` : `has the origin "${origin.from}"`
  const message = `Cannot take over "${resource.ref}" as the live one ${from}; one resource has one origin; delete the live one, or rename this one`
  return issue('ORIGIN_CONFLICT', message, { at: resource.at, ref: resource.ref })
}

/** Reads `path:line:column`, as an entry of a manifest names its place. */
export function positionOf(declaredAt: string): Position | null {
  const found = /^(.*):(\d+):(\d+)$/.exec(declaredAt)
  return found ? { path: found[1] ?? '', line: Number(found[2]), column: Number(found[3]) } : null
}

function blank(op: Change['op'], ref: Ref): Omit<Change, 'at' | 'digests'> {
  return { op, ref, fields: [], reconnects: false, reasons: [], behind: [] }
}
