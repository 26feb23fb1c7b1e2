// A line of the log for people: when, how bad, who, what, and then the rest. What a caller or a service put into it is shown, not obeyed.

import { isObject, type JsonObject } from '../schema/json.ts'
import { printable } from './print.ts'

export type Paint = (style: 'red' | 'yellow' | 'dim', text: string) => string

/** Without a newline at its end; the stack of an error stands below. */
export function logLine(line: JsonObject, paint: Paint): string {
  const { level, time, process: name, msg, type, err, pid: _pid, hostname: _hostname, ...fields } = line
  const at = Number.isFinite(Number(time)) ? new Date(Number(time)).toISOString() : '-'
  const isAccess = type === 'access'
  const what = isAccess ? accessText(fields) : text(msg)
  const shown = isAccess ? withoutAccess(fields) : { ...(type ? { type } : {}), ...fields }
  const rest = Object.entries(shown).map(([field, value]) => `${oneLine(field)}=${valueText(value)}`)
  const head = `${paint('dim', at)} ${levelText(Number(level), paint)} ${oneLine(text(name)).padEnd(9)} ${oneLine(what)}`
  return [`${head}${rest.length > 0 ? ` ${paint('dim', rest.join(' '))}` : ''}`, ...stackLines(err)].join('\n')
}

function accessText({ method, path, status, elapsedMs }: JsonObject): string {
  return `${text(method)} ${text(path)} ${text(status)} ${text(elapsedMs)} ms`
}

/** What the text of a request does not say. */
function withoutAccess({
  method: _method,
  path: _path,
  status: _status,
  elapsedMs: _elapsed,
  bytesIn: _in,
  bytesOut: _out,
  ...rest
}: JsonObject) {
  return rest
}

function levelText(level: number, paint: Paint): string {
  if (level >= 50) return paint('red', level >= 60 ? 'fatal' : 'error')
  if (level >= 40) return paint('yellow', 'warn ')
  return level >= 30 ? 'info ' : level >= 20 ? 'debug' : 'trace'
}

function stackLines(err: JsonObject[string] | undefined): string[] {
  if (!isObject(err)) return []
  const { type, message, stack, ...rest } = err
  const more = Object.keys(rest).length > 0 ? [`  ${oneLine(JSON.stringify(rest))}`] : []
  const lines = typeof stack === 'string' ? stack.split('\n') : [`${text(type)}: ${text(message)}`]
  return [...lines.map(line => `  ${oneLine(line)}`), ...more]
}

function valueText(value: JsonObject[string] | undefined): string {
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : oneLine(JSON.stringify(value))
  return oneLine(JSON.stringify(value) ?? '')
}

function text(value: JsonObject[string] | undefined): string {
  return typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)
}

function oneLine(from: string): string {
  return printable(from).replaceAll('\n', '\\n').replaceAll('\t', '\\t').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
}
