// A plan as a comment on a pull request: the summary stays outside, every group is folded, and the whole stays under the size that
// code hosts accept, cut between groups and never inside a fence.

import type { Issue } from '../../schema/issue.ts'
import { fieldLines } from './field-lines.ts'
import type { Change, Plan } from './plan.ts'
import { type Block, blocksOf, holdLine, placeOf, settingsOp, shortRevision, summaryLine } from './print.ts'

/** GitHub accepts 65,536 characters; the rest is left to whoever posts the comment. */
const maxCharacters = 60_000

const symbols = { create: '+', update: '!', delete: '-' } as const

export function markdownPlan(plan: Plan, options: { readonly maxCharacters?: number } = {}): string {
  const head = [`## Plumb plan: ${code(plan.environment)} at ${code(shortRevision(plan.revision))}`, '', summaryLine(plan), '']
  const tail = [
    ...plan.issues.map(issueLine),
    ...plan.holds.map(hold => `- :pause_button: ${inline(holdLine(hold))}`),
    ...(plan.issues.length + plan.holds.length > 0 ? [''] : []),
    `<sub>Plan ${code(plan.id)}, base serial ${plan.base.serial}, expires ${plan.expiresAt}</sub>`,
  ]
  let left = (options.maxCharacters ?? maxCharacters) - [...head, ...tail].join('\n').length - 200
  const shown: string[] = []
  const blocks = [...settingsOf(plan), ...blocksOf(plan).map(details)]
  for (const text of blocks) {
    if (text.length > left) break
    left -= text.length + 1
    shown.push(text)
  }
  const omitted = blocks.length - shown.length
  const note = omitted > 0 ? [`_${omitted} more groups of changes are left out here; \`plumb plan --json\` names each._`, ''] : []
  return `${[...head, ...shown, ...note, ...tail].join('\n')}\n`
}

function settingsOf(plan: Plan): string[] {
  if (plan.settings.length === 0) return []
  const op = settingsOp(plan)
  const lines = [`${symbols[op]} environment`, ...plan.settings.flatMap(fieldLines).map(line => `${symbols[op]}   ${line}`)]
  return [folded(`${op} environment`, lines.join('\n'))]
}

function details({ op, changes }: Block): string {
  const [first] = changes
  if (first === undefined) return ''
  const title = changes.length === 1 ? `${op} ${first.ref}` : `${op} ${changes.length} resources alike, such as ${first.ref}`
  return folded(`${title}${first.reconnects ? ' (reconnects)' : ''}`, diffBody(op, changes, first))
}

function folded(title: string, body: string): string {
  const fence = fenceAround(body)
  return `<details><summary>${html(title)}</summary>\n\n${fence}diff\n${body}\n${fence}\n\n</details>\n`
}

function diffBody(op: Block['op'], changes: readonly Change[], first: Change): string {
  const lines = changes.slice(0, 50).map(change => `${symbols[op]} ${change.ref}  ${placeOf(change.at)}`.trimEnd())
  if (changes.length > 50) lines.push(`# and ${changes.length - 50} more`)
  lines.push(
    ...first.fields.flatMap(fieldLines).map(line => `${symbols[op]}   ${line}`),
    ...first.reasons.map(reason => `# because: ${reason}`),
  )
  const behind = [...new Set(changes.flatMap(change => change.behind))]
  if (behind.length > 0)
    lines.push(`# behind it: ${behind.slice(0, 20).join(', ')}${behind.length > 20 ? ` and ${behind.length - 20} more` : ''}`)
  return lines.join('\n')
}

function issueLine(issue: Issue): string {
  const where = issue.at ? ` ${code(placeOf(issue.at))}` : ''
  return `- ${issue.severity === 'error' ? ':x:' : ':warning:'} ${issue.code}: ${inline(issue.message)}${where}`
}

/** Longer than any run of backticks inside. */
function fenceAround(body: string): string {
  const longest = Math.max(2, ...[...body.matchAll(/`+/g)].map(run => run[0].length))
  return '`'.repeat(longest + 1)
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'").replace(/\s+/g, ' ')}\``
}

function inline(text: string): string {
  return html(text)
    .replace(/[\\`*_[\]|@#]/g, mark => `\\${mark}`)
    .replace(/\s+/g, ' ')
}

function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
