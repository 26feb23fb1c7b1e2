// Where an import leads: into the estate's tree, or to a library that the runtime finds.

import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { nearest } from '../../../schema/nearest.ts'

export type Target =
  | { readonly kind: 'file'; readonly path: string }
  /** A package of npm, by its name without the path inside it. */
  | { readonly kind: 'library'; readonly name: string }
  /** node's own modules, and the SDK. */
  | { readonly kind: 'provided' }
  | { readonly kind: 'missing'; readonly nearest: string | null }
  | { readonly kind: 'outside' }

// What TypeScript writes for a file that is compiled later: the name of what it will become.
const compiledEndings: Readonly<Record<string, string>> = { '.js': '.ts', '.mjs': '.mts', '.cjs': '.cts' }
const endings = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json', '.d.ts']

/** @param from path of the importing file in the tree */
export function resolveImport(specifier: string, from: string, files: ReadonlyMap<string, unknown>): Target {
  if (!specifier.startsWith('.')) return outsideOrLibrary(specifier)
  const path = posix.join(posix.dirname(from), specifier)
  if (path.startsWith('../') || path === '..') return { kind: 'outside' }
  const found = candidates(path).find(candidate => files.has(candidate))
  return found === undefined ? { kind: 'missing', nearest: nearestFile(path, files) } : { kind: 'file', path: found }
}

function outsideOrLibrary(specifier: string): Target {
  if (specifier.startsWith('/') || specifier.startsWith('file:')) return { kind: 'outside' }
  if (isBuiltin(specifier)) return { kind: 'provided' }
  const [scope = '', name = ''] = specifier.split('/')
  const library = scope.startsWith('@') ? `${scope}/${name}` : scope
  return library === 'plumb-server' ? { kind: 'provided' } : { kind: 'library', name: library }
}

function candidates(path: string): string[] {
  const trimmed = path.replace(/\/$/, '')
  const ending = posix.extname(trimmed)
  const source = compiledEndings[ending]
  return [
    trimmed,
    ...(source ? [trimmed.slice(0, -ending.length) + source] : []),
    ...endings.map(each => trimmed + each),
    ...endings.map(each => `${trimmed}/index${each}`),
  ]
}

function nearestFile(path: string, files: ReadonlyMap<string, unknown>): string | null {
  const sources = [...files.keys()].filter(file => endings.some(ending => file.endsWith(ending)) && !file.includes('node_modules/'))
  const stems = new Map(sources.map(file => [stem(file), file]))
  const near = nearest(stem(path), stems.keys())
  return near === undefined ? null : (stems.get(near) ?? null)
}

function stem(path: string): string {
  return path.replace(/(\.d)?\.[cm]?[jt]s(on)?$/, '')
}
