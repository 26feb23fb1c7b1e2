// Bytes of one YAML file to a document, with every guard that hostile or careless input needs. Runs in a child process that may be
// killed (parser.ts): `yaml` has inputs that cost seconds, and on older engines inputs that abort the process.
// Nesting is judged on the concrete syntax tree, which is built without recursion, before anything recursive sees the input.

import { Composer, type CST, Parser } from 'yaml'
import type { IssueCode } from '../../schema/issue.ts'
import { convertDocument } from './convert.ts'
import { type Parsed, placeOfOffset, type Refusal } from './document.ts'
import { parseLimits } from './parse-limits.ts'
import { syntaxMessage } from './syntax-messages.ts'
import { decode, forbiddenInText, forbiddenMessage, lineStarts } from './yaml-text.ts'

/** Never throws for bad input: what is wrong with the bytes comes back as refusals, at most 20. */
export function parseYaml(bytes: Uint8Array): Parsed {
  const text = decode(bytes)
  if (typeof text !== 'string') return { kind: 'refused', refusals: [text] }
  const lines = lineStarts(text)
  const refuse = (code: IssueCode, offset: number, message: string, related?: Refusal['related']): Refusal => ({
    code,
    message,
    ...placeOfOffset(lines, offset),
    ...(related ? { related } : {}),
  })
  const forbidden = forbiddenInText.exec(text)
  if (forbidden) return refused(refuse('FORBIDDEN_CHARACTER', forbidden.index, forbiddenMessage(forbidden[0])))
  const tokens = [...new Parser().parse(text)]
  const deep = tooDeep(tokens)
  if (deep !== undefined)
    return refused(
      refuse('YAML_LIMIT', deep, `Cannot read this file as its values nest too deep; at most ${parseLimits.depth} levels are accepted`),
    )
  const documents = [...new Composer({ uniqueKeys: false, schema: 'core', prettyErrors: false, strict: true, merge: true }).compose(tokens)]
  const second = documents[1]
  if (second)
    return refused(
      refuse(
        'YAML_MULTIPLE_DOCUMENTS',
        second.range[0],
        'Cannot read this file as it holds more than one document; keep one per file and remove the "---" between them',
      ),
    )
  const document = documents[0]
  if (!document) return { kind: 'document', document: { value: null, marks: [0], lines, raw: [] } }
  const problems = [...document.errors, ...document.warnings].slice(0, parseLimits.refusals)
  if (problems.length > 0)
    return { kind: 'refused', refusals: problems.map(problem => refuse(codeOf(problem.code), problem.pos[0], syntaxMessage(problem.code))) }
  return convertDocument(document, lines, refuse)
}

function refused(refusal: Refusal): Parsed {
  return { kind: 'refused', refusals: [refusal] }
}

/** The offset of the first token nested deeper than the limit. */
function tooDeep(tokens: readonly CST.Token[]): number | undefined {
  const stack: { token: CST.Token; depth: number }[] = tokens.map(token => ({ token, depth: 0 }))
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { token, depth } = next
    if (depth > parseLimits.depth) return 'offset' in token ? token.offset : 0
    if (token.type === 'document' && token.value) stack.push({ token: token.value, depth })
    if (!('items' in token)) continue
    for (const item of token.items) {
      if (item.key) stack.push({ token: item.key, depth: depth + 1 })
      if (item.value) stack.push({ token: item.value, depth: depth + 1 })
    }
  }
  return undefined
}

function codeOf(code: string): IssueCode {
  return code === 'TAG_RESOLVE_FAILED' ? 'YAML_TAG' : 'YAML_SYNTAX'
}
