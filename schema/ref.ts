// Names that must not mix: a kind, a reference to a resource, a revision of the estate.

declare const kindBrand: unique symbol
declare const refBrand: unique symbol
declare const revisionBrand: unique symbol

/** The name of a kind, such as `channel_rest`. Not a closed union: an estate may bring kinds of its own. */
export type KindName = string & { readonly [kindBrand]: true }
/** `kind/name`; the name may hold further slashes, the kind none. */
export type Ref = string & { readonly [refBrand]: true }
/**
 * A full commit SHA (40 or 64 hex digits), with `+` and 12 hex digits where files of deploys lie over it; or `worktree-` and 40 hex digits
 * for the files of a working tree or an upload.
 */
export type Revision = string & { readonly [revisionBrand]: true }

const kindGrammar = /^[a-z][a-z0-9_]{0,63}$/
const revisionGrammar = /^(?:(?:[0-9a-f]{40}|[0-9a-f]{64})(?:\+[0-9a-f]{12})?|worktree-[0-9a-f]{40})$/

export function kindName(text: string): KindName {
  if (!kindGrammar.test(text))
    throw new TypeError(`Cannot read a kind from ${JSON.stringify(text)}; a kind is lower-case letters, digits and underscores`)
  return text as KindName // checked above
}

export function refOf(kind: KindName, name: string): Ref {
  return `${kind}/${name}` as Ref // made of its two checked parts
}

export function parseRef(text: string): Ref {
  const slash = text.indexOf('/')
  if (slash <= 0 || slash === text.length - 1)
    throw new TypeError(`Cannot read a ref from ${JSON.stringify(text)}; a ref is kind/name, such as channel_rest/orders`)
  return refOf(kindName(text.slice(0, slash)), text.slice(slash + 1))
}

/** The two parts of a ref; it splits at its first slash. */
export function partsOf(ref: Ref): { kind: KindName; name: string } {
  const slash = ref.indexOf('/')
  return { kind: ref.slice(0, slash) as KindName, name: ref.slice(slash + 1) } // a Ref was made of a KindName
}

export function isRevision(text: string): text is Revision {
  return revisionGrammar.test(text)
}

/** The commit a revision is, or lies over; null for the files of a working tree or an upload. */
export function commitOf(revision: Revision): Revision | null {
  const [commit = ''] = revision.split('+')
  return commit.startsWith('worktree-') ? null : (commit as Revision) // a revision without its suffix is one
}

export function revision(text: string): Revision {
  if (!isRevision(text)) throw new TypeError(`Cannot read a revision from ${JSON.stringify(text)}; a revision is a full commit SHA`)
  return text
}
