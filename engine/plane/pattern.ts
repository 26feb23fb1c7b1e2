// The `url_path` of a channel as the router reads it: literal segments and whole-segment parameters, `/orders/{id}/lines`.
// Literals are compared with the decoded segments of a request, so a pattern is written the way people read it, without percent signs.

export type Segment = { readonly kind: 'literal'; readonly text: string } | { readonly kind: 'parameter'; readonly name: string }

/** Answered by every server itself; no channel can have them. */
export const livenessPath = '/healthz'
export const readinessPath = '/readyz'

const parameterGrammar = /^\{([A-Za-z_][A-Za-z0-9_-]{0,63})\}$/
const literalGrammar = /^[^{}/\\?#;%\p{Cc}\p{Zl}\p{Zp}]*$/u

/** The segments of a pattern; `/` has one empty literal, and so has the end of `/a/`. Throws where `patternProblem` finds something. */
export function segmentsOf(pattern: string): readonly Segment[] {
  const problem = patternProblem(pattern)
  if (problem !== null) throw new TypeError(`Cannot route ${JSON.stringify(pattern)} as ${problem}`)
  return pattern
    .slice(1)
    .split('/')
    .map(text => {
      const name = parameterGrammar.exec(text)?.[1]
      return name === undefined ? { kind: 'literal', text } : { kind: 'parameter', name }
    })
}

/** Why no request can be routed by `pattern`, as the end of "Cannot route … as"; null where it is fine. */
export function patternProblem(pattern: string): string | null {
  if (!pattern.startsWith('/')) return 'it does not start with "/"'
  if (pattern === livenessPath || pattern === readinessPath) return 'every server answers it itself'
  const texts = pattern.slice(1).split('/')
  const seen = new Set<string>()
  for (const [at, text] of texts.entries()) {
    if (text === '' && at < texts.length - 1) return 'it holds an empty segment'
    const name = parameterGrammar.exec(text)?.[1]
    if (name === undefined) {
      if (!literalGrammar.test(text))
        return `the segment "${text}" holds a character that a path cannot; a parameter is a whole segment, such as {id}`
      if (/[. ]$/.test(text) || text.startsWith(' ')) return `the segment "${text}" ends in a dot or has a space at an end`
    } else if (name === '__proto__') return 'a parameter cannot be called "__proto__"'
    else if (seen.has(name)) return `the parameter "${name}" occurs twice`
    else seen.add(name)
  }
  return null
}

/** The pattern with its parameters nameless: two patterns of one shape match the same paths. */
export function shapeOf(pattern: string): string {
  return pattern
    .split('/')
    .map(text => (parameterGrammar.test(text) ? '{}' : text))
    .join('/')
}
