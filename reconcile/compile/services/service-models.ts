// The JSON Schemas of services: those given as literals as they are, those of types from the child, each kept by what its types
// can depend on in every file they can reach.

import { type Digest, digestOf } from '../../../schema/digest.ts'
import type { JsonObject } from '../../../schema/json.ts'
import type { DerivedModel, PlacedFlaw, SourceRef, WantedModel } from './child-protocol.ts'
import type { ModelFact, ServiceFact } from './facts.ts'
import { judgeGivenModels } from './given-models.ts'
import { closureOf, type GraphTools, type SourceGraph } from './graph.ts'
import { CompilerEnded } from './typescript.ts'

export interface ServiceModels {
  schemaOf(path: string, service: ServiceFact, side: 'input' | 'output'): JsonObject | null
  readonly flaws: readonly PlacedFlaw[]
}

interface Job {
  readonly wanted: WantedModel
  readonly fact: ModelFact
  readonly key: Digest
  readonly closure: readonly SourceRef[]
}

export async function deriveServiceModels(
  graph: SourceGraph,
  services: readonly { readonly path: string; readonly fact: ServiceFact }[],
  tools: GraphTools,
): Promise<ServiceModels> {
  const jobs = services.flatMap(({ path, fact }) => jobsOf(graph, path, fact))
  const known = await Promise.all(jobs.map(job => tools.cache.get<DerivedModel>(job.key)))
  const missing = jobs.filter((_, index) => known[index] === undefined)
  const [{ models, flaws }, flawsOfGiven] = await Promise.all([derive(missing, tools), judgeGivenModels(services, tools)])
  const byKey = new Map<Digest, DerivedModel>(models)
  for (const [index, job] of jobs.entries()) {
    const model = known[index]
    if (model) byKey.set(job.key, model)
  }
  const byName = new Map(jobs.map(job => [nameOf(job.wanted.path, job.wanted.exportName, job.wanted.side), byKey.get(job.key)]))
  return {
    schemaOf(path, service, side) {
      const fact = service[side]
      return fact.kind === 'schema' ? fact.schema : (byName.get(nameOf(path, service.exportName, side))?.schema ?? null)
    },
    flaws: [...flaws, ...[...byKey.values()].flatMap(model => model.flaws), ...flawsOfGiven],
  }
}

function jobsOf(graph: SourceGraph, path: string, service: ServiceFact): Job[] {
  const sides = (['input', 'output'] as const).filter(side => service[side].kind === 'type')
  if (sides.length === 0) return []
  const closure = closureOf(graph, path, { types: true }).flatMap(each => graph.get(each) ?? [])
  const refs = closure.map(({ path, blob }) => ({ path, blob }))
  const contents = digestOf(closure.map(({ path, blob, facts }) => [path, facts.typed ?? blob]))
  return sides.map(side => ({
    wanted: { path, exportName: service.exportName, side },
    fact: service[side],
    key: digestOf(['model', path, service.exportName, side, contents]),
    closure: refs,
  }))
}

function nameOf(path: string, exportName: string, side: string): string {
  return `${side} ${exportName} ${path}`
}

async function derive(
  jobs: readonly Job[],
  { cache, typescript, readTexts }: GraphTools,
): Promise<{ models: [Digest, DerivedModel][]; flaws: PlacedFlaw[] }> {
  if (jobs.length === 0) return { models: [], flaws: [] }
  const files = new Map(jobs.flatMap(job => job.closure.map(ref => [ref.path, ref])))
  try {
    const derived = await typescript.ask('models', { files: [...files.values()], wanted: jobs.map(job => job.wanted) }, readTexts)
    const models = jobs.flatMap((job, index): [Digest, DerivedModel][] => {
      const model = derived[index]
      return model ? [[job.key, model]] : []
    })
    for (const [key, model] of models) cache.put(key, model)
    return { models, flaws: [] }
  } catch (error) {
    const job = error instanceof CompilerEnded ? jobs[error.at ?? 0] : undefined
    if (!(error instanceof CompilerEnded) || !job) throw error
    return { models: [], flaws: [endlessModel(job, error)] }
  }
}

function endlessModel({ wanted, fact }: Job, { reason }: CompilerEnded): PlacedFlaw {
  const { line, column } = fact.kind === 'type' ? fact : { line: 1, column: 1 }
  const why = reason === 'deadline' ? 'the compiler did not finish with it in time' : 'the compiler ran out of memory over it'
  return {
    code: 'MODEL_TYPE',
    message: `Cannot use the ${wanted.side} type of "${wanted.exportName}" as a model as ${why}; write the type without deep recursion`,
    path: wanted.path,
    line,
    column,
  }
}
