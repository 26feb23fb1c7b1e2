// `${{ vars.x }}`, `${{ secrets.y }}`, `${{ env.Z }}`, with `|| 'default'`, anywhere in a text, one pass, no code. What an expression
// gives is never looked at again, so a variable cannot smuggle in another expression. `$${{` stands for the characters `${{`.
// Zato's `${NAME}` and `Zato_Enmasse_Env.NAME` are read where they are the whole text.

import type { IssueCode } from '../../schema/issue.ts'
import { type Json, type JsonObject, pointerOf } from '../../schema/json.ts'
import { didYouMean } from '../../schema/nearest.ts'
import { Secret } from '../../schema/secret.ts'
import { unreachable } from '../../schema/unreachable.ts'
import { booleanOfYaml11 } from './scalars.ts'

export interface TemplateInputs {
  readonly vars: Readonly<Record<string, string | number | boolean>>
  /** What each variable reads in a text, as it is written: `1.10` is no `1.1`. Default: its value. */
  readonly texts?: Readonly<Record<string, string>>
  readonly secret: (name: string) => Secret | undefined
  /** Where a secret of this name would be found, for messages. */
  readonly describeSecret: (name: string) => readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  /** The process variables an expression may name. */
  readonly allowedEnv: ReadonlySet<string>
  /** What a process variable is that is not set here: a problem, or something only another machine knows. Default: missing. */
  readonly unsetEnv?: 'missing' | 'unknown'
}

/** A leaf that held at least one expression. */
export interface FilledLeaf {
  readonly path: readonly (string | number)[]
  /** `vars.x`, `secrets.y`, `env.Z`, in the order they stand. */
  readonly variables: readonly string[]
  /** The whole text with its secrets, where it names one. */
  readonly secret: Secret | null
  /** A process variable went into it. */
  readonly isTainted: boolean
  /** A process variable that is not set here would decide it; it stands as its reference. */
  readonly isUnknown: boolean
  /** Text or a variable stands in, for all or part of it, where its secret or process variable is missing. */
  readonly hasPlainDefault: boolean
  /** What the leaf reads when everything but secrets and process variables is filled in. */
  readonly reference: string
}

export interface TemplateProblem {
  readonly code: IssueCode
  readonly message: string
  readonly path: readonly (string | number)[]
}

export interface Filled {
  readonly value: Json
  readonly leaves: readonly FilledLeaf[]
  readonly problems: readonly TemplateProblem[]
}

/**
 * Fills in every expression of `value`. A leaf with a secret holds its reference (`Bearer ${{ secrets.crm }}`) in the result.
 * @param typeAt the JSON type the schema wants at a path; a text that is one whole expression is converted to it where it can be
 */
export function fillTemplates(
  value: Json,
  inputs: TemplateInputs,
  typeAt: (path: readonly (string | number)[]) => string | undefined,
): Filled {
  if (!hasTemplate(value)) return { value, leaves: [], problems: [] }
  const leaves: FilledLeaf[] = []
  const problems: TemplateProblem[] = []
  return { value: fill(value, []), leaves, problems }

  function fill(node: Json, path: readonly (string | number)[]): Json {
    if (typeof node === 'string') return isTemplateText(node) ? fillText(node, path) : node
    if (node === null || typeof node !== 'object') return node
    if (Array.isArray(node)) return node.map((item, index) => fill(item, [...path, index]))
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, fill(item, [...path, key])]))
  }

  function fillText(text: string, path: readonly (string | number)[]): Json {
    const parts = parseTemplate(text)
    if (typeof parts === 'string') {
      problems.push({ code: 'TEMPLATE_SYNTAX', message: `Cannot read the expression in "${pointerOf(path)}" as ${parts}`, path })
      return text
    }
    const found: Found[] = []
    const missing: TemplateProblem[] = []
    for (const part of parts) {
      const outcome = typeof part === 'string' ? verbatim(part) : evaluate(part, inputs)
      if ('problem' in outcome) missing.push({ ...outcome.problem, path })
      else found.push(outcome)
    }
    problems.push(...missing)
    if (missing.length > 0) return text
    return settle(found, path)
  }

  function settle(found: readonly Found[], path: readonly (string | number)[]): Json {
    const [whole] = found
    const text = found.map(one => one.text).join('')
    const variables = found.flatMap(one => (one.variable === null ? [] : [one.variable]))
    const isSecret = found.some(one => one.taint === 'secret')
    const reference = found.map(one => one.reference).join('')
    if (found.some(one => one.isExpression)) {
      const isTainted = found.some(one => one.taint === 'env')
      const isUnknown = found.some(one => one.isUnknown)
      const secret = isSecret ? new Secret(text) : null
      leaves.push({ path, variables, secret, isTainted, isUnknown, hasPlainDefault: hasPlainDefault(found), reference })
    }
    if (!isSecret) return found.length === 1 && whole ? converted(whole, whole.isExpression ? typeAt(path) : undefined) : text
    const wanted = typeAt(path)
    if (wanted !== undefined && wanted !== 'string') {
      const message = `Cannot put a secret into "${pointerOf(path)}" as the field is no text; use a variable`
      problems.push({ code: 'SECRET_TYPE', message, path })
    }
    return reference
  }
}

export function hasTemplate(value: Json): boolean {
  if (typeof value === 'string') return isTemplateText(value)
  if (value === null || typeof value !== 'object') return false
  if (Array.isArray(value)) return value.some(hasTemplate)
  for (const key in value) if (hasTemplate((value as JsonObject)[key] ?? null)) return true // neither null nor a list
  return false
}

interface Expression {
  readonly alternatives: readonly Alternative[]
}

type Alternative = Named | { readonly scope: 'literal'; readonly value: Scalar }

interface Named {
  readonly scope: 'vars' | 'secrets' | 'env'
  readonly name: string
}

type Scalar = string | number | boolean
type Missing = { readonly problem: Omit<TemplateProblem, 'path'> }

/** What one part of a text gives. */
interface Found {
  readonly value: Scalar
  /** The value in a text. */
  readonly text: string
  readonly variable: string | null
  readonly taint: 'secret' | 'env' | null
  /** Stands for the part where the value must not. */
  readonly reference: string
  readonly isExpression: boolean
  readonly isUnknown: boolean
  /** It names a secret or a process variable, used or not. */
  readonly namesHidden: boolean
  /** What it gives without secrets and process variables; null where it needs one. */
  readonly plain: string | null
}

function isTemplateText(text: string): boolean {
  return text.includes('${') || text.startsWith(zatoPrefix)
}

const zatoPrefix = 'Zato_Enmasse_Env.'

/** The parts of a text, or what is wrong with it as the end of a sentence. */
export function parseTemplate(text: string): readonly (string | Expression)[] | string {
  const zato = /^(?:\$\{([A-Za-z_][A-Za-z0-9_]*)\}|Zato_Enmasse_Env\.([A-Za-z_][A-Za-z0-9_]*))$/.exec(text)
  if (zato) return [{ alternatives: [{ scope: 'env', name: zato[1] ?? zato[2] ?? '' }] }]
  const parts: (string | Expression)[] = []
  let literal = ''
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('${{', at)
    if (open === -1) break
    if (text[open - 1] === '$' && open > at) {
      literal += `${text.slice(at, open - 1)}\${{`
      at = open + 3
      continue
    }
    literal += text.slice(at, open)
    const parsed = parseExpression(text, open + 3)
    if (typeof parsed === 'string') return parsed
    if (literal !== '') parts.push(literal)
    literal = ''
    parts.push(parsed.expression)
    at = parsed.end
  }
  literal += text.slice(at)
  if (literal !== '' || parts.length === 0) parts.push(literal)
  return parts
}

function parseExpression(text: string, start: number): { expression: Expression; end: number } | string {
  const alternatives: Alternative[] = []
  let at = start
  for (;;) {
    const token = /\s*(?:(vars|secrets|env)\.([A-Za-z_][A-Za-z0-9_.-]*)|'((?:[^']|'')*)'|(true|false|-?[0-9]+(?:\.[0-9]+)?))\s*/y
    token.lastIndex = at
    const match = token.exec(text)
    if (!match) return text.indexOf('}}', at) === -1 ? unterminated : notUnderstood
    const [whole, scope, name, quoted, plain] = match
    if (scope !== undefined && name !== undefined)
      alternatives.push({ scope: scope as 'vars' | 'secrets' | 'env', name }) // as the pattern says
    else alternatives.push({ scope: 'literal', value: quoted === undefined ? JSON.parse(plain ?? 'false') : quoted.replaceAll("''", "'") })
    at += whole.length
    if (text.startsWith('}}', at)) return { expression: { alternatives }, end: at + 2 }
    if (!text.startsWith('||', at)) return text.indexOf('}}', at) === -1 ? unterminated : notUnderstood
    at += 2
  }
}

const unterminated = 'it has no end; close it with "}}", or write "$${{" for the characters themselves'
const notUnderstood =
  'it is not understood; accepted are vars.NAME, secrets.NAME and env.NAME, joined by "||", and a text in single quotes as the last one'

function verbatim(text: string): Found {
  const fixed = { variable: null, taint: null, isExpression: false, isUnknown: false, namesHidden: false } as const
  return { value: text, text, reference: text, plain: text, ...fixed }
}

function evaluate(expression: Expression, inputs: TemplateInputs): Found | Missing {
  let missing: Missing | undefined
  let unknown: Named | undefined
  for (const alternative of expression.alternatives) {
    if (alternative.scope === 'literal') return foundAs({ value: alternative.value, named: null }, expression, inputs)
    const outcome = lookUp(alternative, inputs)
    if (!('problem' in outcome)) return foundAs({ value: outcome.value, named: alternative }, expression, inputs)
    if (outcome.problem.code === 'ENV_NOT_ALLOWED') return outcome // a default does not make it readable
    missing ??= outcome
    if (outcome.problem.code === 'MISSING_ENV' && inputs.unsetEnv === 'unknown') unknown ??= alternative
  }
  if (unknown) return { ...foundAs({ value: spelled(expression), named: unknown }, expression, inputs), isUnknown: true }
  if (!missing) throw new Error('An expression was parsed that names nothing')
  return missing
}

/** Secrets and process variables stay references; whatever may stand in for a secret is as secret as it. */
function foundAs({ value, named }: { value: Scalar; named: Named | null }, expression: Expression, inputs: TemplateInputs): Found {
  const { alternatives } = expression
  const taint = alternatives.some(({ scope }) => scope === 'secrets') ? 'secret' : named?.scope === 'env' ? 'env' : null
  const text = named?.scope === 'vars' ? textOf(named.name, inputs) : String(value)
  return {
    value,
    text,
    variable: named && `${named.scope}.${named.name}`,
    taint,
    reference: taint === null ? text : spelled(expression),
    isExpression: true,
    isUnknown: false,
    namesHidden: alternatives.some(({ scope }) => scope === 'secrets' || scope === 'env'),
    plain: plainOf(expression, inputs),
  }
}

/** The expression without its literals, as one of them may be meant as a secret. */
function spelled({ alternatives }: Expression): string {
  const names = alternatives.map(alternative => (alternative.scope === 'literal' ? "'***'" : `${alternative.scope}.${alternative.name}`))
  return `\${{ ${names.join(' || ')} }}`
}

function plainOf({ alternatives }: Expression, inputs: TemplateInputs): string | null {
  for (const alternative of alternatives) {
    if (alternative.scope === 'literal') return String(alternative.value)
    if (alternative.scope === 'vars' && Object.hasOwn(inputs.vars, alternative.name)) return textOf(alternative.name, inputs)
  }
  return null
}

/** Text beside a secret that must be there gives nothing away; text that can be all there is does. */
function hasPlainDefault(found: readonly Found[]): boolean {
  const hidden = found.filter(one => one.namesHidden)
  if (hidden.some(({ plain }) => plain !== null && plain !== '')) return true
  return hidden.length > 0 && hidden.every(({ plain }) => plain !== null) && found.some(({ plain }) => plain !== null && plain !== '')
}

function textOf(name: string, { vars, texts }: TemplateInputs): string {
  return texts !== undefined && Object.hasOwn(texts, name) ? String(texts[name]) : String(vars[name])
}

function lookUp({ scope, name }: Named, inputs: TemplateInputs): { value: Scalar } | Missing {
  switch (scope) {
    case 'vars': {
      const value = Object.hasOwn(inputs.vars, name) ? inputs.vars[name] : undefined
      if (value !== undefined) return { value }
      const known = Object.keys(inputs.vars)
      const end = known.length === 0 ? '; add it under "vars" in environment.yaml' : didYouMean(name, known)
      return missingAs('MISSING_VARIABLE', `Cannot fill in "vars.${name}" as environment.yaml has no such variable${end}`)
    }
    case 'env': {
      if (!inputs.allowedEnv.has(name)) {
        const message = `Cannot read the process variable "${name}" as environment.yaml does not allow it; add ${name} to "env" there`
        return missingAs('ENV_NOT_ALLOWED', message)
      }
      const value = inputs.env[name]
      if (value !== undefined) return { value }
      return missingAs('MISSING_ENV', `Cannot read the process variable "${name}" as it is not set; set ${name} where the server starts`)
    }
    case 'secrets': {
      const secret = inputs.secret(name)
      if (secret) return { value: secret.reveal() }
      const places = inputs.describeSecret(name)
      const end =
        places.length === 0 ? '; add a source under "secrets" in environment.yaml' : `; it is looked for in ${places.join(', then in ')}`
      return missingAs('MISSING_SECRET', `Cannot fill in "secrets.${name}" as no source holds this secret${end}`)
    }
    default:
      return unreachable(scope)
  }
}

function missingAs(code: IssueCode, message: string): Missing {
  return { problem: { code, message } }
}

/** Only what reads the same both ways is converted; the rest stays as it is, and validation says what is wrong. */
function converted({ value, text }: Found, wanted: string | undefined): Scalar {
  if (wanted === 'string') return text
  if (typeof value !== 'string') return value
  if (wanted === 'boolean') return value === 'true' || value === 'false' ? value === 'true' : (booleanOfYaml11(value) ?? value)
  if (wanted === 'integer' && /^-?[0-9]{1,15}$/.test(value)) return Number(value)
  if (wanted === 'number' && /^-?[0-9]{1,15}(?:\.[0-9]{1,15})?$/.test(value)) return Number(value)
  return value
}
