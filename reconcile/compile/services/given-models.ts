// The JSON Schemas that services give as literals, judged in the child: what its author can write may take any time to compile.

import { type Digest, digestOf } from '../../../schema/digest.ts'
import type { JsonObject } from '../../../schema/json.ts'
import type { JudgedSchema, PlacedFlaw } from './child-protocol.ts'
import type { ServiceFact } from './facts.ts'
import type { GraphTools } from './graph.ts'
import { CompilerEnded } from './typescript.ts'

interface Given {
  readonly path: string
  readonly exportName: string
  readonly side: 'input' | 'output'
  readonly schema: JsonObject
  readonly line: number
  readonly column: number
  readonly key: Digest
}

/** Flaws of the schemas that cannot serve as models, each where it is given. */
export async function judgeGivenModels(
  services: readonly { readonly path: string; readonly fact: ServiceFact }[],
  { cache, typescript, readTexts }: GraphTools,
): Promise<PlacedFlaw[]> {
  const given = services.flatMap(({ path, fact }) => givenBy(path, fact))
  const known = await Promise.all(given.map(({ key }) => cache.get<JudgedSchema>(key)))
  const missing = given.filter((_, index) => known[index] === undefined)
  const flaws = given.flatMap((each, index) => flawsOf(each, known[index]?.problem ?? null))
  if (missing.length === 0) return flaws
  try {
    const judged = await typescript.ask('schemas', { files: [], schemas: missing.map(({ schema }) => schema) }, readTexts)
    for (const [index, each] of missing.entries()) if (judged[index]) cache.put(each.key, judged[index])
    return [...flaws, ...missing.flatMap((each, index) => flawsOf(each, judged[index]?.problem ?? null))]
  } catch (error) {
    const culprit = error instanceof CompilerEnded ? missing[error.at ?? 0] : undefined
    if (!(error instanceof CompilerEnded) || !culprit) throw error
    return [...flaws, ...flawsOf(culprit, error.reason === 'deadline' ? 'it takes too long to compile' : 'compiling it runs out of memory')]
  }
}

function givenBy(path: string, fact: ServiceFact): Given[] {
  return (['input', 'output'] as const).flatMap(side => {
    const model = fact[side]
    if (model.kind !== 'schema') return []
    const { schema, line, column } = model
    return { path, exportName: fact.exportName, side, schema, line, column, key: digestOf(['given model', schema]) }
  })
}

function flawsOf({ path, exportName, side, line, column }: Given, problem: string | null): PlacedFlaw[] {
  if (problem === null) return []
  const message = `Cannot take the schema of "${exportName}" as its ${side} model as ${problem}; correct it, or give the type arguments of \`service\` instead`
  return [{ code: 'MODEL_INVALID', message, path, line, column }]
}
