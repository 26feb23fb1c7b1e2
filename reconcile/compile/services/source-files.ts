// Parsed files of the child, shared by all its Programs: a file that did not change is not parsed or bound again, which is what
// makes one changed file cost milliseconds.

import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import type { SourceRef } from './child-protocol.ts'
import { resolveImport } from './imports.ts'

/** Where the tree seems to lie for TypeScript. */
export const estateRoot = '/estate/'
export const libFolder = dirname(ts.sys.resolvePath(ts.getDefaultLibFilePath({})))

// Several branches of an estate of 2,000 files; a parsed file is about 20 times its text.
const maxFiles = 6_000

const languageVersion = ts.ScriptTarget.ES2024

export const baseOptions: ts.CompilerOptions = {
  target: languageVersion,
  lib: ['lib.es2024.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  moduleDetection: ts.ModuleDetectionKind.Force,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
}

export class SourceFiles {
  /** Null for a file whose nesting is deeper than the parser's stack. */
  readonly #files = new Map<string, ts.SourceFile | null>()
  readonly #outside = new Map<string, ts.SourceFile | undefined>()

  /** Paths among `refs` whose text is not known; with `texts` given they are parsed first. */
  missing(refs: readonly SourceRef[], texts: Readonly<Record<string, string>>): string[] {
    const missing: string[] = []
    for (const ref of refs) {
      const key = keyOf(ref)
      const text = texts[ref.path]
      const known = this.#files.get(key)
      if (known !== undefined) {
        this.#files.delete(key)
        this.#files.set(key, known)
      } else if (text === undefined) missing.push(ref.path)
      else this.#files.set(key, parseTree(estateRoot + ref.path, text))
    }
    for (const key of this.#files.keys()) {
      if (this.#files.size <= Math.max(maxFiles, refs.length)) break
      this.#files.delete(key)
    }
    return missing
  }

  /** @throws RangeError where it is nested too deeply */
  get(ref: SourceRef): ts.SourceFile {
    const file = this.#files.get(keyOf(ref))
    if (file === undefined) throw new Error(`Cannot find the parsed file ${ref.path} that was asked for before`)
    if (file === null) throw new RangeError(`Cannot parse ${ref.path} as it is nested too deeply`)
    return file
  }

  /** A file of this machine, such as a library of TypeScript; read once. */
  outside(path: string): ts.SourceFile | undefined {
    if (!this.#outside.has(path)) this.#outside.set(path, readOutside(path))
    return this.#outside.get(path)
  }

  /** A host that sees `refs` under the estate's root and TypeScript's own libraries, and resolves imports as the loader does. */
  host(refs: readonly SourceRef[]): ts.CompilerHost {
    const byPath = new Map(refs.map(ref => [estateRoot + ref.path, ref]))
    const inTree = new Map(refs.map(ref => [ref.path, ref]))
    const getSourceFile = (name: string): ts.SourceFile | undefined => {
      const ref = byPath.get(name)
      if (ref) return this.#files.get(keyOf(ref)) ?? undefined
      return name.startsWith(estateRoot) ? undefined : this.outside(name)
    }
    return {
      getSourceFile,
      getDefaultLibFileName: options => join(libFolder, ts.getDefaultLibFileName(options)),
      getDefaultLibLocation: () => libFolder,
      getCurrentDirectory: () => estateRoot.slice(0, -1),
      getCanonicalFileName: name => name,
      useCaseSensitiveFileNames: () => true,
      getNewLine: () => '\n',
      writeFile: () => undefined,
      fileExists: name => byPath.has(name) || (!name.startsWith(estateRoot) && ts.sys.fileExists(name)),
      readFile: name => getSourceFile(name)?.text ?? ts.sys.readFile(name),
      resolveModuleNameLiterals: (literals, containing) =>
        literals.map(({ text }) => {
          if (!containing.startsWith(estateRoot)) return { resolvedModule: undefined }
          const target = resolveImport(text, containing.slice(estateRoot.length), inTree)
          return { resolvedModule: target.kind === 'file' ? resolvedAt(estateRoot + target.path) : undefined }
        }),
    }
  }
}

export function resolvedAt(path: string): ts.ResolvedModuleFull {
  return { resolvedFileName: path, extension: extensionOf(path), isExternalLibraryImport: false }
}

function extensionOf(path: string): string {
  return /(\.d)?\.[cm]?[jt]s(on)?$/.exec(path)?.[0] ?? ts.Extension.Ts
}

function keyOf({ path, blob }: SourceRef): string {
  return `${blob} ${path}`
}

function parseTree(name: string, text: string): ts.SourceFile | null {
  try {
    return ts.createSourceFile(name, text, { languageVersion, jsDocParsingMode: ts.JSDocParsingMode.ParseAll }, true)
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

function readOutside(path: string): ts.SourceFile | undefined {
  try {
    // Comments of libraries say nothing that a model takes, and are half of their text.
    return ts.createSourceFile(path, readFileSync(path, 'utf8'), { languageVersion, jsDocParsingMode: ts.JSDocParsingMode.ParseNone })
  } catch {
    // TypeScript asks for files that may not be there.
    return undefined
  }
}
