// Service code of a revision as data: services found in the syntax tree, their models, what they use, and their modules as
// CommonJS. User code is never run. Every step is kept by the contents it depends on, so that one changed file costs one file.

import { join } from 'node:path'
import ajv from 'ajv/package.json' with { type: 'json' }
import { version as esbuildVersion } from 'esbuild'
import generator from 'ts-json-schema-generator/package.json' with { type: 'json' }
import typescriptPackage from 'typescript/package.json' with { type: 'json' }
import type { Digest } from '../../../schema/digest.ts'
import { type Issue, issue } from '../../../schema/issue.ts'
import type { Module } from '../../../schema/resource.ts'
import type { Vocabulary } from '../../../schema/vocabulary.ts'
import type { Tree } from '../../source/tree.ts'
import type { CompiledService, CompiledServices } from '../desired.ts'
import { callMethods } from '../service-resources.ts'
import type { PlacedFlaw } from './child-protocol.ts'
import { type GraphTools, isServiceCode, readSourceGraph } from './graph.ts'
import { importIssues } from './import-issues.ts'
import { readLibraries } from './libraries.ts'
import { compileModules } from './modules.ts'
import { ResultCache } from './result-cache.ts'
import { deriveServiceModels } from './service-models.ts'
import { duplicateIssues, servicesOf, usesOf } from './services.ts'
import { TypeScript } from './typescript.ts'

export interface ServiceCompilerOptions {
  /** Where results are kept between processes; null keeps them in memory only. */
  readonly cacheDirectory: string | null
  /** Longest time the TypeScript child may take over one question; default 30,000. */
  readonly deadlineMs?: number
}

export interface CheckOptions {
  /** Text of `environment.d.ts`, made by `environmentTypes`; null: any name of a connection or service. */
  readonly environmentTypes: string | null
  /** A real folder whose `node_modules` gives the types of the estate's libraries; null: they are `any`, and so is each import of one. */
  readonly librariesFolder: string | null
}

export interface ServiceCompiler extends AsyncDisposable {
  /** Starts the TypeScript child ahead, which takes a second to load, where nothing is known and it will be needed. */
  warm(): void
  /** @param directory of the service code, relative to the root of the tree. Never throws for what is wrong with the code. */
  compileServices(tree: Tree, directory: string, vocabulary: Vocabulary): Promise<CompiledServices>
  /** The full type check. A file that does not parse has only its syntax errors. */
  checkTypes(tree: Tree, directory: string, options: CheckOptions): Promise<readonly Issue[]>
}

// Raised whenever facts, models or modules come out differently for the same contents.
const format = 6
const version = [format, ajv.version, esbuildVersion, generator.version, typescriptPackage.version].join(' ')

export function createServiceCompiler({ cacheDirectory, deadlineMs = 30_000 }: ServiceCompilerOptions): ServiceCompiler {
  const cache = new ResultCache(cacheDirectory, version)
  const typescript = new TypeScript(deadlineMs, cacheDirectory === null ? null : join(cacheDirectory, 'typescript'))
  const toolsFor = (tree: Tree): GraphTools => ({ cache, typescript, readTexts: paths => readTexts(tree, paths) })
  return {
    warm: () => void cache.isEmpty().then(isEmpty => isEmpty && typescript.warm()),
    async compileServices(tree, directory, vocabulary) {
      const tools = toolsFor(tree)
      const [graph, libraries] = await Promise.all([readSourceGraph(tree, directory, tools), readLibraries(tree, directory)])
      const found = servicesOf(graph, path => isServiceCode(path, directory))
      const [models, modules] = await Promise.all([
        deriveServiceModels(graph, found, tools),
        compileModules(
          graph,
          found.map(({ path }) => path),
          tools,
        ),
      ])
      const methods = clientMethods(vocabulary)
      const services = found.map(
        ({ path, fact, index }): CompiledService => ({
          name: fact.name,
          path,
          exportName: fact.exportName,
          at: { path, line: fact.line, column: fact.column },
          description: fact.description,
          input: models.schemaOf(path, fact, 'input'),
          output: models.schemaOf(path, fact, 'output'),
          uses: usesOf(graph, path, index, methods),
          modules: modules.closureOf(path),
        }),
      )
      const flaws = [...graph.values()].flatMap(({ path, facts }) => facts.flaws.map(flaw => ({ ...flaw, path })))
      const issues = [...[...flaws, ...modules.flaws, ...models.flaws].map(issueOf), ...duplicateIssues(found)]
      return {
        services,
        modules: new Map(modules.modules.map((module): [Digest, Module] => [module.digest, module])),
        issues: distinct([...issues, ...importIssues(graph, libraries), ...libraries.issues]),
        lockfile: libraries.lockfile,
        isPartial: [...graph.values()].some(({ facts }) => facts.flaws.some(({ code }) => code === 'TYPESCRIPT_SYNTAX')),
      }
    },
    async checkTypes(tree, directory, options) {
      const tools = toolsFor(tree)
      const graph = await readSourceGraph(tree, directory, tools)
      const roots = [...graph.keys()].filter(path => isServiceCode(path, directory))
      if (roots.length === 0) return []
      const files = [...graph.values()].map(({ path, blob }) => ({ path, blob }))
      return distinct((await typescript.ask('check', { files, roots, ...options }, tools.readTexts)).map(issueOf))
    },
    async [Symbol.asyncDispose]() {
      await typescript[Symbol.asyncDispose]()
      await cache[Symbol.asyncDispose]()
    },
  }
}

async function readTexts(tree: Tree, paths: readonly string[]): Promise<Record<string, string>> {
  const decoder = new TextDecoder()
  const texts: Record<string, string> = {}
  for (const [path, bytes] of await tree.read(paths)) texts[path] = decoder.decode(bytes)
  return texts
}

/** Methods of `ctx` that name something declared: the clients of connections, and those that call services. */
function clientMethods(vocabulary: Vocabulary): ReadonlySet<string> {
  return new Set([...callMethods, ...[...vocabulary.kinds.values()].flatMap(({ client }) => client?.method ?? [])])
}

function issueOf({ code, severity, message, path, line, column }: PlacedFlaw): Issue {
  return issue(code, message, { at: { path, line, column }, ...(severity ? { severity } : {}) })
}

/** By place and text, in order of place: several services may share the file or type that is at fault. */
function distinct(issues: readonly Issue[]): Issue[] {
  const byKey = new Map(issues.map(each => [JSON.stringify([each.at, each.code, each.message]), each]))
  return [...byKey.values()].sort((a, b) => comparePlaces(a, b))
}

function comparePlaces({ at: a }: Issue, { at: b }: Issue): number {
  if (!a || !b) return Number(Boolean(b)) - Number(Boolean(a))
  if (a.path !== b.path) return a.path < b.path ? -1 : 1
  return a.line - b.line || a.column - b.column
}
