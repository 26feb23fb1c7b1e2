// The errors of Ajv as sentences for the client of an API. A union fails once for each of its branches; what is told is
// either the one branch that was meant, or that none fits.

import type { ErrorObject } from 'ajv'
import { type Json, pointerOf, stepsOf } from './json.ts'

/** What is wrong with a payload, for the client that sent it: names fields and what is accepted, never a value. */
export interface Problem {
  readonly pointer: string
  readonly message: string
}

/** At most 20, without repetition. */
export function problemsOf(errors: readonly ErrorObject[]): readonly Problem[] {
  const problems = new Map<string, Problem>()
  for (const error of withoutBranches(errors)) {
    const problem = problemOf(error)
    problems.set(`${problem.pointer} ${problem.message}`, problem)
    if (problems.size === 20) break
  }
  return [...problems.values()]
}

/** Ajv lists the errors of all branches before the error of the union itself. */
function withoutBranches(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  let kept: ErrorObject[] = []
  for (const error of errors) {
    if (error.keyword !== 'anyOf' && error.keyword !== 'oneOf') {
      kept.push(error)
      continue
    }
    const branches = kept.filter(
      inner => inner.instancePath === error.instancePath || inner.instancePath.startsWith(`${error.instancePath}/`),
    )
    const otherTypes = branches.filter(inner => inner.keyword === 'type' && inner.instancePath === error.instancePath)
    const others = kept.filter(inner => !branches.includes(inner))
    const count = Array.isArray(error.schema) ? error.schema.length : 0
    if (branches.length > 0 && branches.length === otherTypes.length) {
      const type = [...new Set(otherTypes.flatMap(inner => inner.params.type))]
      kept = [...others, { ...error, keyword: 'type', params: { type } }]
    } else if (branches.length > 0 && count - otherTypes.length === 1) {
      kept = [...others, ...branches.filter(inner => !otherTypes.includes(inner))]
    } else kept = [...others, error]
  }
  return kept
}

function problemOf(error: ErrorObject): Problem {
  const { keyword, params } = error
  const at = (name: unknown): string => pointerOf([...stepsOf(error.instancePath), shortened(String(name))])
  const pointer = error.instancePath
  switch (keyword) {
    case 'required':
      return { pointer: at(params.missingProperty), message: 'Is required' }
    case 'additionalProperties':
      return { pointer: at(params.additionalProperty), message: 'Is not a known field' }
    case 'unevaluatedProperties':
      return { pointer: at(params.unevaluatedProperty), message: 'Is not a known field' }
    case 'type':
      return { pointer, message: `Must be ${[params.type].flat().map(articled).join(' or ')}` }
    case 'enum':
      return { pointer, message: `Must be one of ${listed(params.allowedValues)}` }
    case 'const':
      return { pointer, message: `Must be ${JSON.stringify(params.allowedValue)}` }
    case 'minimum':
      return { pointer, message: `Must be at least ${params.limit}` }
    case 'maximum':
      return { pointer, message: `Must be at most ${params.limit}` }
    case 'format':
      return { pointer, message: `Must be a valid ${params.format}` }
    case 'anyOf':
    case 'oneOf':
      return { pointer, message: 'Must have one of the accepted forms' }
    default:
      return { pointer, message: sentence(error.message ?? 'does not fit') }
  }
}

// The name of a field comes from the client too; a long one is cut rather than sent back whole.
function shortened(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name
}

function articled(type: string): string {
  return type === 'null' ? 'null' : `${/^[aeio]/.test(type) ? 'an' : 'a'} ${type}`
}

function listed(values: readonly Json[]): string {
  const shown = values.slice(0, 20).map(value => JSON.stringify(value))
  return values.length > 20 ? `${shown.join(', ')} …` : shown.join(', ')
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
