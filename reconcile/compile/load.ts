// Which files make an environment: its own directory, those it extends, and what they include; parsed, in layers, lowest first.
// environment.yaml and encrypted files are never read as resources. A directory below that has an environment.yaml of its own is
// another environment. Of an environment that is extended only `extends` and `vars` count here; its rules are its own.

import { posix } from 'node:path'
import { type EnvironmentInputs, type EnvironmentSettings, type ReadEnvironment, readEnvironment } from '../../schema/environment.ts'
import { type Issue, issue, type Position } from '../../schema/issue.ts'
import { isObject, type JsonObject } from '../../schema/json.ts'
import { didYouMean } from '../../schema/nearest.ts'
import type { Tree, TreeFile } from '../source/tree.ts'
import { marksAt, type Parsed, type ParsedDocument, positionOf } from './document.ts'
import type { DocumentCache } from './document-cache.ts'

export interface LoadedFile {
  readonly path: string
  readonly document: ParsedDocument
}

export interface LoadedLayer {
  /** The directory below the folder of all environments: `base`. */
  readonly name: string
  readonly files: readonly LoadedFile[]
}

export interface Loaded {
  readonly directory: string
  readonly layers: readonly LoadedLayer[]
  readonly issues: readonly Issue[]
}

export interface Environment {
  readonly directory: string
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

/** What one environment may cost; bytes before anything is parsed. */
export const loadLimits = { fileBytes: 1024 * 1024, totalBytes: 64 * 1024 * 1024, files: 10_000 }

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
  const environment = {
    directory,
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
    const names = environmentsOf(tree, options.layout).map(found => posix.relative(chain.at(-1) ?? '', found))
    return { code: 'EXTENDS_MISSING', message: `Cannot extend "${text}" as there is no such directory${didYouMean(text, names)}` }
  }
}

/** Reads every file of every layer, with what they include. */
export async function loadLayers(tree: Tree, environment: Environment, options: LoadOptions): Promise<Loaded> {
  const issues: Issue[] = []
  const loader = new Loader(tree, environment, options, issues)
  const directories = yamlByDirectory(tree, options.layout)
  const layers: LoadedLayer[] = []
  const roots = environment.layers.map(directory => filesUnder(directory, directories).filter(path => !environment.sopsFiles.has(path)))
  await loader.parse(roots.flat())
  for (const [index, directory] of environment.layers.entries())
    layers.push({ name: posix.relative(options.layout, directory), files: await loader.withIncludes(roots[index] ?? []) })
  return { directory: environment.directory, layers, issues }
}

interface Own {
  readonly path: string
  readonly document: ParsedDocument
  readonly read: ReadEnvironment
}

const environmentFile = 'environment.yaml'

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

/** Codes whose finding is about the key and not about its value. */
export const aboutKey: ReadonlySet<Issue['code']> = new Set<Issue['code']>([
  'UNKNOWN_FIELD',
  'NOT_ENFORCED',
  'MISPLACED_FIELD',
  'FIELD_NOT_SERVED',
])

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

/** YAML files below the layout by directory; hidden ones (such as `.sops.yaml`) are tools' own. */
function yamlByDirectory(tree: Tree, layout: string): ReadonlyMap<string, readonly string[]> {
  const directories = new Map<string, string[]>()
  for (const path of tree.files.keys()) {
    if (!path.startsWith(`${layout}/`) || !/\.ya?ml$/.test(path)) continue
    const slash = path.lastIndexOf('/')
    if (path[slash + 1] === '.') continue
    const files = directories.get(path.slice(0, slash)) ?? []
    files.push(path)
    directories.set(path.slice(0, slash), files)
  }
  return directories
}

function filesUnder(directory: string, directories: ReadonlyMap<string, readonly string[]>): string[] {
  const files: string[] = []
  for (const [found, paths] of directories) {
    if (found !== directory && !found.startsWith(`${directory}/`)) continue
    if (found !== directory && isInOther(found, directory, directories)) continue
    for (const path of paths) if (!path.endsWith(`/${environmentFile}`)) files.push(path)
  }
  return files.sort()
}

function isInOther(found: string, directory: string, directories: ReadonlyMap<string, readonly string[]>): boolean {
  for (let at = found; at !== directory; at = posix.dirname(at)) if (directories.get(at)?.includes(`${at}/${environmentFile}`)) return true
  return false
}

/** Parses files once and follows their includes. */
class Loader {
  readonly #tree: Tree
  readonly #environment: Environment
  readonly #options: LoadOptions
  readonly #issues: Issue[]
  readonly #parsed = new Map<string, ParsedDocument | null>()
  #bytes = 0
  #isFull = false

  constructor(tree: Tree, environment: Environment, options: LoadOptions, issues: Issue[]) {
    this.#tree = tree
    this.#environment = environment
    this.#options = options
    this.#issues = issues
  }

  async parse(paths: readonly string[]): Promise<void> {
    const files: TreeFile[] = []
    for (const path of paths) {
      const file = this.#tree.files.get(path)
      if (!file || this.#parsed.has(path)) continue
      this.#parsed.set(path, null)
      if (this.#accept(file)) files.push(file)
    }
    if (files.length === 0) return
    const parsed = await this.#options.documents.parsed(files, wanted => this.#tree.read(wanted))
    for (const [path, found] of parsed) {
      if (found.kind === 'refused') this.#issues.push(...refusalsOf(path, found))
      else if (!isEncrypted(found.document)) this.#parsed.set(path, found.document)
    }
  }

  /** The files and all they include, each once. */
  async withIncludes(paths: readonly string[]): Promise<readonly LoadedFile[]> {
    const reached = new Map<string, LoadedFile>()
    for (const path of paths) await this.#follow(path, [], reached)
    return [...reached.values()]
  }

  async #follow(path: string, chain: readonly string[], reached: Map<string, LoadedFile>): Promise<void> {
    const document = this.#parsed.get(path)
    if (!document) return
    if (!reached.has(path)) reached.set(path, { path, document })
    if (!isObject(document.value) || !Object.hasOwn(document.value, 'include')) return
    const targets = this.#targetsOf(path, document, document.value)
    await this.parse(targets.map(target => target.path))
    for (const target of targets) {
      const way = [...chain, path]
      if (way.includes(target.path))
        this.#report(
          'INCLUDE_CYCLE',
          target.at,
          `Cannot include "${target.text}" as the files include each other: ${[...way, target.path].join(' → ')}; remove one of the includes`,
        )
      else if (!reached.has(target.path)) await this.#follow(target.path, way, reached)
    }
  }

  #targetsOf(path: string, document: ParsedDocument, value: JsonObject): { path: string; text: string; at: Position }[] {
    const at = (pointer: string): Position => positionOf(path, document, marksAt(value, 0, pointer).value)
    const include = value.include ?? []
    if (!Array.isArray(include)) {
      this.#report(
        'DOCUMENT_SHAPE',
        at('/include'),
        'Cannot read "include" as it is no list; write each path on its own line, starting with "- "',
      )
      return []
    }
    return include.flatMap((text, index) => {
      const place = at(`/include/${index}`)
      return this.#pathsOf(path, text, place).map(target => ({ path: target, text: String(text), at: place }))
    })
  }

  #pathsOf(from: string, text: unknown, at: Position): string[] {
    if (typeof text !== 'string' || text === '') {
      this.#report('DOCUMENT_SHAPE', at, 'Cannot include this as it is no text; write the path of a file, relative to this one')
      return []
    }
    const target = posix.join(posix.dirname(from), text)
    if (posix.isAbsolute(text) || target === '..' || target.startsWith('../') || text.includes('\\')) {
      this.#report('INCLUDE_OUTSIDE', at, `Cannot include "${text}" as it leads out of the estate; write a path relative to this file`)
      return []
    }
    const found = /[*?]/.test(text) ? this.#matching(target, from) : this.#tree.files.has(target) ? [target] : []
    if (found.length === 0) {
      const beside = [...this.#tree.files.keys()]
        .filter(path => posix.dirname(path) === posix.dirname(target))
        .map(path => posix.relative(posix.dirname(from), path))
      const end = beside.length === 0 ? `; there is no "${posix.dirname(target)}" either` : didYouMean(text, beside)
      this.#report('INCLUDE_MISSING', at, `Cannot include "${text}" as there is no such file${end}`)
    }
    const refused = found.filter(path => this.#isReserved(path))
    if (refused.length > 0)
      this.#report(
        'INCLUDE_RESERVED',
        at,
        `Cannot include "${text}" as it holds settings or secrets, not resources: ${refused.join(', ')}; remove it from the list`,
      )
    return found.filter(path => !this.#isReserved(path))
  }

  #isReserved(path: string): boolean {
    return path.endsWith(`/${environmentFile}`) || this.#environment.sopsFiles.has(path)
  }

  #matching(pattern: string, from: string): string[] {
    const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*\*\/?|\*|\?/g, wildcard => wildcards[wildcard] ?? '[^/]')
    const expression = new RegExp(`^${source}$`)
    return [...this.#tree.files.keys()].filter(path => path !== from && /\.ya?ml$/.test(path) && expression.test(path)).sort()
  }

  #accept(file: TreeFile): boolean {
    if (file.bytes > loadLimits.fileBytes) {
      this.#issues.push(tooLarge(file))
      return false
    }
    this.#bytes += file.bytes
    if (this.#bytes <= loadLimits.totalBytes && this.#parsed.size <= loadLimits.files) return true
    if (!this.#isFull)
      this.#report(
        'YAML_LIMIT',
        { path: file.path, line: 1, column: 1 },
        `Cannot read more files as the environment is too large; at most ${loadLimits.files} files and ${loadLimits.totalBytes} bytes are accepted`,
      )
    this.#isFull = true
    return false
  }

  #report(code: Issue['code'], at: Position, message: string): void {
    this.#issues.push(issue(code, message, { at }))
  }
}

const wildcards: Readonly<Record<string, string>> = { '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' }

/** SOPS leaves its own mapping in each file it has encrypted. */
function isEncrypted(document: ParsedDocument): boolean {
  return isObject(document.value) && isObject(document.value.sops)
}

function tooLarge(file: TreeFile): Issue {
  const message = `Cannot read this file as it is too large: ${file.bytes} bytes; at most ${loadLimits.fileBytes} are accepted; split it`
  return issue('YAML_LIMIT', message, { at: { path: file.path, line: 1, column: 1 } })
}

function refusalsOf(path: string, parsed: Parsed | undefined): Issue[] {
  if (parsed?.kind !== 'refused') return []
  return parsed.refusals.map(({ code, message, line, column, related }) =>
    issue(code, message, {
      at: { path, line, column },
      ...(related
        ? { related: related.map(other => ({ message: other.message, at: { path, line: other.line, column: other.column } })) }
        : {}),
    }),
  )
}
