// Which files make an environment: those of its layers' directories and what they include; parsed, in layers, lowest first.
// environment.yaml, encrypted files and tests are never read as resources. A directory below that has an environment.yaml of its own is
// another environment.

import { posix } from 'node:path'
import { type Issue, issue, type Position } from '../../schema/issue.ts'
import { isObject, type Json, type JsonObject } from '../../schema/json.ts'
import { didYouMean } from '../../schema/nearest.ts'
import type { Tree, TreeFile } from '../source/tree.ts'
import { marksAt, type Parsed, type ParsedDocument, positionOf } from './document.ts'
import { type Environment, environmentFile, type LoadOptions } from './environment-chain.ts'
import { loadLimits, markedEncrypted, refusalsOf, tooLarge } from './file-issues.ts'
import { leavesOf } from './paths.ts'
import { isTestFile } from './test-file.ts'

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

/**
 * Reads every file of every layer, with what they include.
 * @param onRead called while others are still read, with each file that was not known and its layer
 */
export async function loadLayers(
  tree: Tree,
  environment: Environment,
  options: LoadOptions,
  onRead: (file: LoadedFile, layer: string) => void,
): Promise<Loaded> {
  const issues: Issue[] = []
  const directories = yamlByDirectory(tree, options.layout)
  const layers: LoadedLayer[] = []
  const roots = environment.layers.map(directory => filesUnder(directory, directories).filter(path => !environment.sopsFiles.has(path)))
  const names = environment.layers.map(directory => layerName(directory, options))
  const layerOf = new Map(roots.flatMap((paths, index) => paths.map(path => [path, names[index] ?? ''])))
  const loader = new Loader(tree, environment, options, issues, file => {
    const layer = layerOf.get(file.path)
    if (layer !== undefined) onRead(file, layer)
  })
  await loader.parse(roots.flat())
  for (const [index, name] of names.entries()) layers.push({ name, files: await loader.withIncludes(roots[index] ?? []) })
  return { directory: environment.directory, layers, issues }
}

/** A layer's directory as messages name it: below the folder of all environments. */
export function layerName(directory: string, { layout }: Pick<LoadOptions, 'layout'>): string {
  return posix.relative(layout, directory)
}

/** YAML files below the layout by directory, without tests; hidden ones (such as `.sops.yaml`) are tools' own. */
function yamlByDirectory(tree: Tree, layout: string): ReadonlyMap<string, readonly string[]> {
  const directories = new Map<string, string[]>()
  for (const path of tree.files.keys()) {
    if (!path.startsWith(`${layout}/`) || !/\.ya?ml$/.test(path) || isTestFile(path)) continue
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
  readonly #onRead: (file: LoadedFile) => void
  readonly #parsed = new Map<string, ParsedDocument | null>()
  #bytes = 0
  #isFull = false

  constructor(tree: Tree, environment: Environment, options: LoadOptions, issues: Issue[], onRead: (file: LoadedFile) => void) {
    this.#tree = tree
    this.#environment = environment
    this.#options = options
    this.#issues = issues
    this.#onRead = onRead
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
    const onRead = (path: string, found: Parsed) => {
      if (found.kind === 'document' && !isEncrypted(found.document)) this.#onRead({ path, document: found.document })
    }
    const parsed = await this.#options.documents.parsed(files, wanted => this.#tree.read(wanted), onRead)
    for (const [path, found] of parsed) {
      if (found.kind === 'refused') this.#issues.push(...refusalsOf(path, found))
      else if (!isEncrypted(found.document)) this.#parsed.set(path, found.document)
      else if (holdsPlainItems(found.document)) this.#issues.push(markedEncrypted(path, found.document))
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
    const wildcards = text.match(/[*?]+/g)?.length ?? 0
    if (wildcards > maxWildcards) {
      this.#report('INCLUDE_MISSING', at, `Cannot include "${text}" as it has too many wildcards; at most ${maxWildcards} are accepted`)
      return []
    }
    const found = wildcards > 0 ? this.#matching(target, from) : this.#tree.files.has(target) ? [target] : []
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
    const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*\*\/?|\*|\?/g, wildcard => patterns[wildcard] ?? '[^/]')
    const expression = new RegExp(`^${source}$`)
    return [...this.#tree.files.keys()]
      .filter(path => path !== from && /\.ya?ml$/.test(path) && !isTestFile(path) && expression.test(path))
      .sort()
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

// Each one multiplies the ways a path can be matched.
const maxWildcards = 4
const patterns: Readonly<Record<string, string>> = { '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]' }

/** SOPS leaves its own mapping in each file it has encrypted. */
function isEncrypted(document: ParsedDocument): boolean {
  return isObject(document.value) && isObject(document.value.sops)
}

/** Items in a section, or files to include, that nobody has encrypted. */
function holdsPlainItems({ value }: ParsedDocument): boolean {
  if (!isObject(value)) return false
  return Object.entries(value).some(([key, list]) => key === 'include' || (key !== 'sops' && Array.isArray(list) && list.some(isPlainItem)))
}

function isPlainItem(item: Json): boolean {
  return isObject(item) && leavesOf(item).some(({ value }) => value !== null && !String(value).startsWith('ENC['))
}
