// One changed field, as people read it: the path first, then what it was and what it becomes.

import { structuredPatch } from 'diff'
import { type Json, stepsOf } from '../../schema/json.ts'
import type { FieldChange } from './plan.ts'

const contextLines = 2
const maxLines = 40

/** `host: "a" → "b"`, and for a secret `password: (sensitive, #a1b2c3d4 → #c3d4e5f6)`. */
export function fieldLine(field: FieldChange): string {
  return `${pathOf(field)}: ${valuesOf(field)}${field.reconnects ? '  # reconnects' : ''}`
}

/** The same, where texts of several lines are compared line by line. */
export function fieldLines(field: FieldChange): string[] {
  const { before, after, sensitive } = field
  if (sensitive || typeof before !== 'string' || typeof after !== 'string' || !(before + after).includes('\n')) return [fieldLine(field)]
  return [`${pathOf(field)}:${field.reconnects ? '  # reconnects' : ''}`, ...textDiff(before, after).map(line => `  ${line}`)]
}

function valuesOf(field: FieldChange): string {
  if (field.sensitive)
    return field.before === '***' ? '(sensitive)' : `(sensitive, ${shownSecret(field.before)} → ${shownSecret(field.after)})`
  if (field.before === undefined) return `+ ${shownValue(field.after)}`
  if (field.after === undefined) return `- ${shownValue(field.before)}`
  return `${shownValue(field.before)} → ${shownValue(field.after)}`
}

function shownSecret(value: Json | undefined): string {
  return typeof value === 'string' ? value : 'none'
}

function shownValue(value: Json | undefined): string {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return `#${value.slice(0, 8)}`
  if (typeof value === 'string' && /^#[0-9a-f]{8}$/.test(value)) return value
  const text = JSON.stringify(value) ?? 'none'
  const plain = escaped(text)
  return plain.length > 300 ? `${plain.slice(0, 300)}… (${plain.length} characters)` : plain
}

/** No value can move the cursor or turn the direction of what follows it. */
function escaped(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu,
    mark => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** `- ` gone, `+ ` new, a few lines around for context. */
function textDiff(before: string, after: string): string[] {
  const { hunks } = structuredPatch('', '', before, after, '', '', { context: contextLines })
  const lines = hunks.flatMap(({ lines }, at) => [
    ...(at > 0 ? ['…'] : []),
    // A line that begins with a backslash is a note about a missing line end, which says nothing here.
    ...lines.filter(line => !line.startsWith('\\')).map(line => escaped(`${line.slice(0, 1)} ${line.slice(1)}`.trimEnd())),
  ])
  return lines.length > maxLines ? [...lines.slice(0, maxLines), `… and ${lines.length - maxLines} more lines`] : lines
}

function pathOf({ pointer, sensitive }: FieldChange): string {
  if (pointer === '') return sensitive ? 'secrets' : 'contents'
  return stepsOf(pointer).map(pathStep).join('.')
}

function pathStep(step: string): string {
  return /^[\w-]+$/.test(step) ? step : JSON.stringify(step)
}
