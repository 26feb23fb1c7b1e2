// A plan as people read it in a terminal: Terraform's verbs and symbols, and for every field the path first and then what changes, as
// dyff writes it. Changes that are the same field by field are shown once. No secret can appear, because none is in a plan.

import type { Issue, Position } from '../../schema/issue.ts'
import { fieldLines } from './field-lines.ts'
import { type Change, type Hold, hasChanges, type Plan } from './plan.ts'

export interface PrintOptions {
  /** ANSI colours; for a terminal only. Default false. */
  readonly colour?: boolean
  /** Blocks of one verb before the rest is counted. Default 50. */
  readonly maxBlocks?: number
}

const symbols = { create: '+', update: '~', delete: '-' } as const
const verbs = { create: 'create', update: 'update in place', delete: 'delete' } as const
const colours = { create: 32, update: 33, delete: 31 } as const
const maxNamed = 8

export function printPlan(plan: Plan, options: PrintOptions = {}): string {
  const blocks = blocksOf(plan)
  const lines = [headline(plan), '']
  if (hasChanges(plan)) lines.push(...legend(plan), '', ...settingsLines(plan, options))
  else lines.push(`No changes. ${plan.environment} is what ${shortRevision(plan.revision)} declares.`, '')
  for (const op of ['create', 'update', 'delete'] as const) lines.push(...section(blocks, op, options))
  const kept = plan.changes.filter(change => change.op === 'keep' && change.reasons.length > 0)
  for (const change of kept.slice(0, maxNamed)) lines.push(`    ${change.ref}  # ${change.reasons.join('; ')}`)
  if (kept.length > maxNamed) lines.push(`    … and ${kept.length - maxNamed} more are kept`)
  if (kept.length > 0) lines.push('')
  if (hasChanges(plan)) lines.push(summaryLine(plan), '')
  for (const issue of plan.issues) lines.push(...issueLines(issue))
  for (const hold of plan.holds) lines.push(holdLine(hold))
  const next = nextOf(plan)
  if (next !== undefined) lines.push(`Next: ${next}`)
  return `${lines.join('\n').trimEnd()}\n`
}

/** Changes that differ in nothing but the resource. */
export interface Block {
  readonly op: 'create' | 'update' | 'delete'
  readonly changes: readonly Change[]
}

/** In the order of the steps. */
export function blocksOf(plan: Plan): readonly Block[] {
  const byRef = new Map(plan.changes.map(change => [change.ref, change]))
  const blocks = new Map<string, { op: Block['op']; changes: Change[] }>()
  for (const { ref, op } of plan.steps) {
    const change = byRef.get(ref)
    if (change === undefined) continue
    const key = op === 'update' ? JSON.stringify([change.fields, change.reasons, change.reconnects]) : `${op} ${ref}`
    const block = blocks.get(key)
    if (block) block.changes.push(change)
    else blocks.set(key, { op, changes: [change] })
  }
  return [...blocks.values()]
}

export function summaryLine({ summary }: Plan): string {
  const counts = `${summary.create} to create, ${summary.update} to update, ${summary.delete} to delete, ${summary.keep} unchanged`
  const settings = summary.settings > 0 ? `; ${counted(summary.settings, 'setting', 'settings')} to change` : ''
  return `Plan: ${counts}${settings}${summary.reconnects > 0 ? `; ${counted(summary.reconnects, 'reconnects', 'reconnect')}` : ''}.`
}

/** How the settings of the environment change: the first plan of a server makes them. */
export function settingsOp({ base }: Plan): 'create' | 'update' {
  return base.revision === null ? 'create' : 'update'
}

export function holdLine(hold: Hold): string {
  switch (hold.kind) {
    case 'approval':
      return `Waits for approval: "sync.auto" is false. Next: ${hold.next}`
    case 'deletes':
      return `Waits: ${counted(hold.deletes, 'delete', 'deletes')}, and ${hold.allowed} at most may happen unasked. Next: ${hold.next}`
    case 'marked':
      return `Held: ${hold.by} judged this change set bad (${hold.reason}). Change or remove any one part of it, or: ${hold.next}`
  }
}

export function shortRevision(revision: string): string {
  if (revision.startsWith('worktree-')) return revision.slice(0, 16)
  const [commit = '', layers] = revision.split('+')
  return layers === undefined ? commit.slice(0, 10) : `${commit.slice(0, 10)}+${layers.slice(0, 6)}`
}

export function placeOf(at: Position | null): string {
  return at === null ? '' : `${at.path}:${at.line}:${at.column}`
}

function headline(plan: Plan): string {
  const base =
    plan.base.revision === null ? 'nothing is live' : `live is serial ${plan.base.serial} of ${shortRevision(plan.base.revision)}`
  return `Plan ${plan.id} for ${plan.environment} at ${shortRevision(plan.revision)} (${base})`
}

function legend(plan: Plan): string[] {
  const used = (['create', 'update', 'delete'] as const).filter(
    op => plan.summary[op] > 0 || (plan.settings.length > 0 && op === settingsOp(plan)),
  )
  return [used.map(op => `  ${symbols[op]} ${verbs[op]}`).join('')]
}

function settingsLines(plan: Plan, { colour = false }: PrintOptions): string[] {
  if (plan.settings.length === 0) return []
  const op = settingsOp(plan)
  const fields = plan.settings.flatMap(fieldLines).map(line => `      ${line}`)
  return [`  ${painted(`${symbols[op]} environment`, op, colour)}`, ...fields, '']
}

function section(all: readonly Block[], op: Block['op'], { colour = false, maxBlocks = 50 }: PrintOptions): string[] {
  const blocks = all.filter(block => block.op === op)
  const lines = blocks.slice(0, maxBlocks).flatMap(block => blockLines(block, colour))
  const left = blocks.slice(maxBlocks)
  const resources = left.reduce((sum, block) => sum + block.changes.length, 0)
  if (resources > 0) lines.push(`  ${symbols[op]} … and ${counted(resources, 'more resource', 'more resources')}; --json names each`)
  return lines.length > 0 ? [...lines, ''] : []
}

function blockLines({ op, changes }: Block, colour: boolean): string[] {
  const [first] = changes
  if (first === undefined) return []
  const title = changes.length === 1 ? first.ref : `${changes.length} resources alike: ${named(changes.map(change => change.ref))}`
  const place = changes.length === 1 ? placeOf(first.at) : ''
  const lines = [
    `  ${painted(`${symbols[op]} ${title}`, op, colour)}${first.reconnects ? '  # reconnects' : ''}${place === '' ? '' : `  ${place}`}`,
  ]
  for (const field of first.fields) lines.push(...fieldLines(field).map(line => `      ${line}`))
  for (const reason of first.reasons) lines.push(`      because: ${reason}`)
  const behind = [...new Set(changes.flatMap(change => change.behind))]
  if (behind.length > 0) lines.push(`      behind it: ${named(behind)}`)
  return lines
}

function painted(text: string, op: Block['op'], colour: boolean): string {
  return colour ? `\u001b[${colours[op]}m${text}\u001b[0m` : text
}

function issueLines(issue: Issue): string[] {
  return [
    `${issue.severity === 'error' ? 'Error' : 'Warning'} ${issue.code}: ${issue.message}`,
    ...(issue.at ? [`  ${placeOf(issue.at)}`] : []),
  ]
}

function nextOf(plan: Plan): string | undefined {
  if (!hasChanges(plan) || plan.holds.length > 0 || plan.issues.some(issue => issue.severity === 'error')) return undefined
  return plan.isPreview ? 'commit it and push, as this environment takes no upload, then plumb sync' : `plumb apply ${plan.id}`
}

function named(refs: readonly string[]): string {
  const rest = refs.length - maxNamed
  return rest > 1 ? `${refs.slice(0, maxNamed).join(', ')} and ${rest} more` : refs.join(', ')
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`
}
