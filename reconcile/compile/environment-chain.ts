// environment.yaml of one environment, and the chain of those it extends: which layers there are, and with what variables. Of an
// environment that is extended only `extends` and `vars` count here; its rules are its own.

import { posix } from 'node:path'
import { type EnvironmentInputs, type EnvironmentSettings, type ReadEnvironment, readEnvironment } from '../../schema/environment.ts'
import { type Issue, issue } from '../../schema/issue.ts'
import { isObject } from '../../schema/json.ts'
import { didYouMean } from '../../schema/nearest.ts'
import type { Tree } from '../source/tree.ts'
import { marksAt, type ParsedDocument, positionOf } from './document.ts'
import type { DocumentCache } from './document-cache.ts'
import { loadLimits, refusalsOf, tooLarge } from './file-issues.ts'
import { aboutKey } from './locate.ts'

export interface Environment {
  readonly directory: string
  /** Where its service code lies, from the root of the estate. */
  readonly services: string
  readonly path: string
  readonly document: ParsedDocument
  readonly settings: EnvironmentSettings
  /** `vars` with those of the environments it extends; the nearest wins. */
  readonly inputs: EnvironmentInputs
  /** Directories of its layers, lowest first, itself last. */
  readonly layers: readonly string[]
  /** Encrypted files, which are no resources. */
  readonly sopsFiles: ReadonlySet<string>
}

export interface LoadOptions {
  readonly documents: DocumentCache
  /** Folder of all environments. */
  readonly layout: string
  readonly command: 'serve' | 'dev'
}

/** Reads environment.yaml and the chain it extends. `environment` is null where nothing can be built from it. */
export async function loadEnvironment(
  tree: Tree,
  name: string,
  options: LoadOptions,
): Promise<{ environment: Environment | null; issues: readonly Issue[] }> {
  const issues: Issue[] = []
  const directory = `${options.layout}/${name}`
  const own = await readOwn(tree, directory, options, issues)
  if (!own) {
    if (issues.length === 0) issues.push(missingEnvironment(tree, name, options.layout))
    return { environment: null, issues }
  }
  const layers: string[] = []
  const sopsFiles = new Set<string>()
  const vars = await visit(directory, own, [])
  const services = servicesOf(directory, own, issues)
  const environment = {
    directory,
    services,
    path: own.path,
    document: own.document,
    settings: own.read.settings,
    inputs: { ...own.read.inputs, vars },
    layers,
    sopsFiles,
  }
  return { environment, issues }

  /** Depth first, so that what is extended comes below; gives the variables of the whole chain. */
  async function visit(at: string, found: Own | null, chain: readonly string[]): Promise<EnvironmentInputs['vars']> {
    let inherited: EnvironmentInputs['vars'] = {}
    for (const file of found?.read.inputs.sopsFiles ?? []) sopsFiles.add(posix.join(at, file))
    for (const [index, text] of (found?.read.inputs.extends ?? []).entries()) {
      const target = trimmed(posix.join(at, text))
      const place = found && positionOf(found.path, found.document, marksAt(found.document.value, 0, `/extends/${index}`).value)
      const problem = extendsProblem(target, text, [...chain, at])
      if (problem) {
        issues.push(issue(problem.code, problem.message, place ? { at: place } : {}))
        continue
      }
      if (layers.includes(target)) continue
      const below = await readOwn(tree, target, options, issues)
      inherited = { ...inherited, ...(await visit(target, below, [...chain, at])) }
    }
    if (!layers.includes(at)) layers.push(at)
    return { ...inherited, ...found?.read.inputs.vars }
  }

  function extendsProblem(target: string, text: string, chain: readonly string[]): { code: Issue['code']; message: string } | undefined {
    if (!target.startsWith(`${options.layout}/`))
      return {
        code: 'EXTENDS_OUTSIDE',
        message: `Cannot extend "${text}" as it leads out of ${options.layout}/; name a directory there, such as "../base"`,
      }
    if (chain.includes(target))
      return {
        code: 'EXTENDS_CYCLE',
        message: `Cannot extend "${text}" as the chain goes round: ${[...chain, target].join(' → ')}; remove one of the links`,
      }
    if (hasFiles(tree, target)) return undefined
    const at = chain.at(-1) ?? ''
    const names = environmentsOf(tree, options.layout).flatMap(found => (found === at ? [] : [posix.relative(at, found)]))
    const end = names.length === 0 ? '; put files there, or remove the entry' : didYouMean(text, names)
    return { code: 'EXTENDS_MISSING', message: `Cannot extend "${text}" as there is no such directory${end}` }
  }
}

function servicesOf(directory: string, own: Own, issues: Issue[]): string {
  const { services } = own.read.inputs
  const path = trimmed(posix.join(directory, services))
  if (path !== '..' && !path.startsWith('../') && !posix.isAbsolute(services)) return path
  const at = positionOf(own.path, own.document, marksAt(own.document.value, 0, '/services').value)
  issues.push(
    issue('INCLUDE_OUTSIDE', `Cannot read services from "${services}" as it leads out of the estate; name a directory in it`, { at }),
  )
  return posix.join(directory, 'services')
}

interface Own {
  readonly path: string
  readonly document: ParsedDocument
  readonly read: ReadEnvironment
}

export const environmentFile = 'environment.yaml'

async function readOwn(tree: Tree, directory: string, options: LoadOptions, issues: Issue[]): Promise<Own | null> {
  const path = `${directory}/${environmentFile}`
  const file = tree.files.get(path)
  if (!file) return null
  if (file.bytes > loadLimits.fileBytes) {
    issues.push(tooLarge(file))
    return null
  }
  const parsed = (await options.documents.parsed([file], paths => tree.read(paths))).get(path)
  if (parsed?.kind !== 'document') {
    issues.push(...refusalsOf(path, parsed))
    return null
  }
  const { document } = parsed
  const declared = document.value ?? {}
  if (!isObject(declared)) {
    issues.push(
      issue('DOCUMENT_SHAPE', 'Cannot read environment.yaml as its top level is no mapping; write entries such as "environment: dev"', {
        at: { path, line: 1, column: 1 },
      }),
    )
    return null
  }
  const read = readEnvironment(declared, options.command)
  for (const found of read.findings) {
    const marks = marksAt(declared, 0, found.pointer)
    const at = positionOf(path, document, aboutKey.has(found.code) ? marks.key : marks.value)
    issues.push(issue(found.code, found.message, { at, pointer: found.pointer, ...(found.severity ? { severity: found.severity } : {}) }))
  }
  if (declared.environment !== undefined && declared.environment !== posix.basename(directory)) {
    const message = `Cannot use this file as it names another environment than its directory: current value is "${read.settings.environment}"; write "environment: ${posix.basename(directory)}"`
    issues.push(issue('ENVIRONMENT_MISMATCH', message, { at: positionOf(path, document, marksAt(declared, 0, '/environment').value) }))
  }
  return { path, document, read }
}

function missingEnvironment(tree: Tree, name: string, layout: string): Issue {
  const names = environmentsOf(tree, layout).map(found => posix.relative(layout, found))
  const end = names.length === 0 ? `; create ${layout}/${name}/${environmentFile}` : didYouMean(name, names)
  const cause = hasFiles(tree, `${layout}/${name}`) ? `${layout}/${name} has no ${environmentFile}` : `${layout}/${name} does not exist`
  return issue('ENVIRONMENT_MISSING', `Cannot compile environment "${name}" as ${cause}${end}`, {
    at: { path: `${layout}/${name}/${environmentFile}`, line: 1, column: 1 },
  })
}

function environmentsOf(tree: Tree, layout: string): string[] {
  const found = new Set<string>()
  for (const path of tree.files.keys()) if (path.startsWith(`${layout}/`) && path.split('/').length > 2) found.add(posix.dirname(path))
  return [...found].sort()
}

function hasFiles(tree: Tree, directory: string): boolean {
  for (const path of tree.files.keys()) if (path.startsWith(`${directory}/`)) return true
  return false
}

function trimmed(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
