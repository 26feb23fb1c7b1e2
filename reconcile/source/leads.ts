// Where a file's text leads out of its own folder at the root of the estate: an include, a directory of services, an import that climbs
// with `..`. It is read off the text before anything is parsed, so too much is named rather than too little: a path in a comment counts,
// and what cannot be told by its letters stands for everything.

import { posix } from 'node:path'

/** Stands for the whole root. */
export const everything = '*'

/** Names at the root of the estate that the file's relative paths lead to, other than its own; `everything` where that cannot be told. */
export function leadsOf(path: string, content: Uint8Array): readonly string[] {
  const pattern = patternFor(path)
  if (pattern === undefined) return none
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString()
  if (escapedDot.test(text)) return [everything]
  if (!text.includes('..')) return none
  const leads = new Set<string>()
  for (const { groups } of text.matchAll(pattern)) {
    const lead = leadOf(path, (groups?.path ?? '').replace(/\s+#.*$/, '').trim())
    if (lead !== undefined) leads.add(lead)
  }
  return leads.size === 0 ? none : [...leads]
}

const none: readonly string[] = []

// A dot that is written as an escape could climb unseen.
const escapedDot = /\\(?:x2e|u\{?0*2e|U0{6}2e|0?56)/i
const inYaml = /(?<path>[^\s'",[\]{}]*\.\.(?=[/\\\s'",\]}]|$)[^\n'",\]}]*)/gm
// The text of a specifier, after the word and whatever white space or comment stands between.
const inCode = /\b(?:from|import|require)(?:[\s(]|\/\*(?:[^*]|\*(?!\/))*\*\/|\/\/[^\n]*\n)*(?<quote>["'`])(?<path>[^\n]*?)\k<quote>/g

function patternFor(path: string): RegExp | undefined {
  if (/\.ya?ml$/.test(path)) return inYaml
  return /\.[cm]?[jt]s$/.test(path) ? inCode : undefined
}

function leadOf(path: string, target: string): string | undefined {
  if (!/(?:^|[/\\])\.\.(?:[/\\]|$)/.test(target)) return undefined
  if (target.includes('\\')) return everything
  const reached = posix.join(posix.dirname(path), target)
  const [lead = ''] = reached.split('/')
  if (lead === '..' || lead === path.split('/')[0]) return undefined // whoever asks for it refuses it, or it is at home
  return lead === '.' || /[*?]/.test(lead) ? everything : lead
}
