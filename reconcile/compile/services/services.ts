// The services among the facts of all files: their order, their uses, and names that stand twice.

import { type Issue, issue } from '../../../schema/issue.ts'
import type { ServiceUse } from '../desired.ts'
import type { ServiceFact } from './facts.ts'
import { closureOf, type SourceGraph } from './graph.ts'

export interface LocatedService {
  readonly path: string
  readonly fact: ServiceFact
  /** Its place among the services of its file. */
  readonly index: number
}

/** In order of name, then path. Files that are only imported declare none. */
export function servicesOf(graph: SourceGraph, isServiceCode: (path: string) => boolean): LocatedService[] {
  const services = [...graph.values()]
    .filter(({ path }) => isServiceCode(path))
    .flatMap(({ path, facts }) => facts.services.map((fact, index) => ({ path, fact, index })))
  return services.sort((a, b) => compare(a.fact.name, b.fact.name) || compare(a.path, b.path) || a.index - b.index)
}

/** What the service names, and what the code it imports names outside of other services; one entry for each name, in order. */
export function usesOf(graph: SourceGraph, path: string, index: number, methods: ReadonlySet<string>): ServiceUse[] {
  const uses = new Map<string, ServiceUse>()
  for (const file of [path, ...closureOf(graph, path, { types: false })])
    for (const { method, name, within, line, column } of graph.get(file)?.facts.uses ?? []) {
      const key = `${method} ${name}`
      if (!methods.has(method) || uses.has(key) || (within !== null && (file !== path || within !== index))) continue
      uses.set(key, { method, name, at: { path: file, line, column } })
    }
  return [...uses.entries()].sort(([a], [b]) => compare(a, b)).map(([, use]) => use)
}

export function duplicateIssues(services: readonly LocatedService[]): Issue[] {
  return services.flatMap((service, position) => {
    const first = services.find(({ fact }) => fact.name === service.fact.name)
    if (!first || services.indexOf(first) === position) return []
    const at = placeOf(service)
    const before = placeOf(first)
    return issue(
      'SERVICE_DUPLICATE',
      `Cannot serve two services named "${service.fact.name}": the other one is at ${before.path}:${before.line}:${before.column}; rename one`,
      { at, related: [{ message: 'The other service of this name', at: before }] },
    )
  })
}

function placeOf({ path, fact: { line, column } }: LocatedService) {
  return { path, line, column }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
