// Where compiled code came from: positions and stacks in terms of the TypeScript file its author wrote.

import { SourceMap } from 'node:module'
import type { Module } from '../../schema/resource.ts'

export interface CodePosition {
  /** Path in the tree. */
  readonly path: string
  /** From 1. */
  readonly line: number
  readonly column: number
}

/** A module with its source map, which is parsed once, and only for code that shows up in a stack. */
export class MappedModule {
  readonly module: Module
  #map: SourceMap | null = null

  constructor(module: Module) {
    this.module = module
  }

  /** The place in TypeScript of a place in the JavaScript, both from 1. */
  positionOf(line: number, column: number): CodePosition {
    this.#map ??= new SourceMap(JSON.parse(this.module.map))
    const entry = this.#map.findEntry(line - 1, column - 1)
    const { path } = this.module
    return 'originalLine' in entry ? { path, line: entry.originalLine + 1, column: entry.originalColumn + 1 } : { path, line, column }
  }
}

/** Files of service code by the name V8 knows them under. Of two versions of one file, the one added last answers. */
export class SourceMaps {
  readonly #files: Map<string, MappedModule>

  constructor(files: Iterable<readonly [string, MappedModule]> = []) {
    this.#files = new Map(files)
  }

  add(file: string, mapped: MappedModule): void {
    this.#files.set(file, mapped)
  }

  delete(file: string, mapped: MappedModule): void {
    if (this.#files.get(file) === mapped) this.#files.delete(file)
  }

  /** The place in TypeScript of a place in compiled code, both from 1; undefined where `file` is no service code. */
  positionOf(file: string, line: number, column: number): CodePosition | undefined {
    return this.#files.get(file)?.positionOf(line, column)
  }

  /** The nearest place in service code that `error` came through; undefined where there is none. */
  originOf(error: unknown): CodePosition | undefined {
    return this.placesOf(error)[0]
  }

  /** The places in service code that `error` came through, nearest first. */
  placesOf(error: unknown): readonly CodePosition[] {
    return framesOf(error)
      .map(({ file, line, column }) => this.positionOf(file, line, column))
      .filter(position => position !== undefined)
  }

  /** The stack with every place in service code given in TypeScript; what is no error is described. */
  mapStack(error: unknown): string {
    return stackOf(error)
      .split('\n')
      .map(text =>
        text.replace(framePattern, (whole, file: string, line: string, column: string) => {
          const position = this.positionOf(fileOf(file), Number(line), Number(column))
          return position === undefined ? whole : `${position.path}:${position.line}:${position.column}`
        }),
      )
      .join('\n')
  }
}

// `at name (file:line:column)`, `at file:line:column`, also behind `async` and `new`.
const framePattern = /(?<=\(|at |async )((?:file:\/\/)?\/[^()]*?|[^\s():][^()]*?):(\d+):(\d+)(?=\)?$)/

function framesOf(error: unknown): { file: string; line: number; column: number }[] {
  const stack = stackOf(error)
  const frames = stack.split('\n').flatMap(text => {
    if (!/^\s+at /.test(text)) return []
    const [, file, line, column] = framePattern.exec(text) ?? []
    return file === undefined ? [] : [{ file: fileOf(file), line: Number(line), column: Number(column) }]
  })
  // A syntax error names its place above the stack: `file:line`, the text of the line, then carets.
  const [, file, line, caret] = /^(\/.*?|[^\s:][^\n]*?):(\d+)\n[^\n]*\n([^\n]*)\^/.exec(stack) ?? []
  return file === undefined
    ? frames
    : [{ file: fileOf(file), line: Number(line), column: (caret ?? '').indexOf('^') + 1 || (caret ?? '').length + 1 }, ...frames]
}

function fileOf(text: string): string {
  return text.startsWith('file://') ? decodeURIComponent(text.slice('file://'.length)) : text
}

function stackOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'stack' in error && typeof error.stack === 'string') return error.stack
  return `Thrown: ${describe(error)}`
}

function describe(value: unknown): string {
  try {
    return String(value)
  } catch {
    // An object without a prototype, or with a toString that throws, has no words of its own.
    return Object.prototype.toString.call(value)
  }
}
