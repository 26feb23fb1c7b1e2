// environment.yaml of one environment, and the chain of those it extends: which layers there are, and with what variables. Of an
// environment that is extended only `extends` and `vars` count here; its rules are its own.

import { posix } from 'node:path'
import { type EnvironmentInputs, type EnvironmentSettings, type ReadEnvironment, readEnvironment } from '../../schema/environment.ts'
import { type Issue, issue } from '../../schema/issue.ts'
import { isObject, pointerOf } from '../../schema/json.ts'
import { didYouMean } from '../../schema/nearest.ts'
import type { Tree } from '../source/tree.ts'
import { marksAt, type ParsedDocument, positionOf } from './document.ts'
import type { DocumentCache } from './document-cache.ts'
import { loadLimits, refusalsOf, tooLarge } from './file-issues.ts'
import { aboutKey } from './locate.ts'
import { leavesOf } from './paths.ts'
import { lossyMessage } from './scalars.ts'

export interface Environment {
  readonly directory: string
  /** Where its service code lies, from the root of the estate. */
  readonly services: string
  /** Something is there, or nobody said that it should be. */
  readonly hasServices: boolean
  readonly path: string
  readonly document: ParsedDocument
  readonly settings: EnvironmentSettings
  /** `vars` with those of the environments it extends; the nearest wins. */
  readonly inputs: EnvironmentInputs
  /** What each of the `vars` reads in a text: as it is written. */
  readonly texts: Readonly<Record<string, string>>
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
  const { vars, texts } = await visit(directory, own, [])
  const services = servicesOf(tree, own, { directory, layout: options.layout })
  if (services.problem) issues.push(services.problem)
  const environment = {
    directory,
    services: services.path,
    hasServices: services.problem === null,
    path: own.path,
    document: own.document,
    settings: own.read.settings,
    inputs: { ...own.read.inputs, vars },
    texts,
    layers,
    sopsFiles,
  }
  return { environment, issues }

  /** Depth first, so that what is extended comes below; gives the variables of the whole chain. */
  async function visit(at: string, found: Own | null, chain: readonly string[]): Promise<Variables> {
    let { vars, texts }: Variables = { vars: {}, texts: {} }
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
      const inherited = await visit(target, below, [...chain, at])
      vars = { ...vars, ...inherited.vars }
      texts = { ...texts, ...inherited.texts }
    }
    if (!layers.includes(at)) layers.push(at)
    return { vars: { ...vars, ...found?.read.inputs.vars }, texts: { ...texts, ...(found && textsOf(found)) } }
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

type Variables = Pick<Environment, 'texts'> & Pick<EnvironmentInputs, 'vars'>

/** `1.10` reads `1.10` in a text, and is 1.1 as a number. */
function textsOf({ document, read }: Own): Variables['texts'] {
  const texts = Object.entries(read.inputs.vars).map(([name, value]) => {
    if (typeof value === 'string' || document.raw.length === 0) return [name, String(value)] as const
    const mark = marksAt(document.value, 0, pointerOf(['vars', name])).value
    return [name, document.raw.find(raw => raw.mark === mark)?.source ?? String(value)] as const
  })
  return Object.fromEntries(texts)
}

function servicesOf(
  tree: Tree,
  own: Own,
  { directory, layout }: { readonly directory: string; readonly layout: string },
): { readonly path: string; readonly problem: Issue | null } {
  const { services } = own.read.inputs
  const path = trimmed(posix.join(directory, services))
  const place = () => ({ at: positionOf(own.path, own.document, marksAt(own.document.value, 0, '/services').value) })
  if (path === '..' || path.startsWith('../') || posix.isAbsolute(services)) {
    const message = `Cannot read services from "${services}" as it leads out of the estate; name a directory in it`
    return { path: posix.join(directory, 'services'), problem: issue('INCLUDE_OUTSIDE', message, place()) }
  }
  const isSaid = isObject(own.document.value) && own.document.value.services !== undefined
  if (!isSaid || path === '.' || hasFiles(tree, path)) return { path, problem: null }
  const there = codeFolders(tree, layout).map(folder => posix.relative(directory, folder))
  const end = there.length === 0 ? '; put the code there, or remove the entry' : didYouMean(services, there)
  const message = `Cannot read services from "${services}" as there is no such directory${end}`
  return { path, problem: issue('INCLUDE_MISSING', message, place()) }
}

/** Folders that hold code, at any depth, outside of the environments; the shortest first. */
function codeFolders(tree: Tree, layout: string): string[] {
  const folders = new Set<string>()
  for (const path of tree.files.keys()) {
    if (path.startsWith(`${layout}/`) || !/\.[cm]?ts$/.test(path)) continue
    for (let at = posix.dirname(path); at !== '.' && !folders.has(at); at = posix.dirname(at)) folders.add(at)
  }
  return [...folders].sort((one, other) => one.length - other.length || (one < other ? -1 : 1))
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
  for (const { path: steps } of document.raw.some(({ lossy }) => lossy) ? leavesOf(declared) : []) {
    const pointer = pointerOf(steps)
    const mark = marksAt(declared, 0, pointer).value
    if (read.findings.some(found => found.pointer === pointer) || !document.raw.some(raw => raw.lossy && raw.mark === mark)) continue
    issues.push(issue('LOSSY_NUMBER', lossyMessage(steps), { at: positionOf(path, document, mark), pointer }))
  }
  if (read.settings.environment !== '' && read.settings.environment !== posix.basename(directory)) {
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
