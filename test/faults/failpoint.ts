// The armed failpoints: FAILPOINTS="swap.before=kill;worker:snapshot.fsynced=sleep:5000" acts where the source calls failpoint(name),
// in every process or only in those whose title is `plumb worker …`; what has several rules follows them in order. FAILPOINTS="@FILE" reads the rules from a file at every call, so that
// a test arms them while the server runs; a file that is not there arms nothing.
// Reached only through the package import `#failpoint` under --conditions=failpoints.

import { readFileSync, writeFileSync } from 'node:fs'
import type { FailpointName } from './failpoints.ts'

export function failpoint(name: FailpointName): void {
  for (const rule of rules()) if (rule.name === name && isHere(rule.process)) act(rule.action, name)
}

interface Rule {
  readonly process: string | null
  readonly name: string
  readonly action: string
}

function rules(): Rule[] {
  return given()
    .split(';')
    .map(text => text.trim())
    .filter(text => text !== '')
    .map(text => {
      const [, process = null, name = '', action = ''] = /^(?:(\w+):)?([\w.]+)=(.*)$/.exec(text) ?? []
      return { process, name, action }
    })
}

function given(): string {
  const text = process.env.FAILPOINTS ?? ''
  if (!text.startsWith('@')) return text
  try {
    return readFileSync(text.slice(1), 'utf8')
  } catch {
    return '' // nothing is armed yet
  }
}

function isHere(title: string | null): boolean {
  return title === null || process.title.startsWith(`plumb ${title}`)
}

function act(action: string, name: string): void {
  const [, verb = '', amount = '0'] = /^(\w*):?(.*)$/.exec(action) ?? []
  switch (verb) {
    case 'kill':
      return void process.kill(process.pid, 'SIGKILL')
    case 'killgroup':
      // 0 is the caller's own group: the supervisor leads it and its children stay in it; the binder is outside.
      return void process.kill(0, 'SIGKILL')
    case 'stop':
      return void process.kill(process.pid, 'SIGSTOP')
    case 'sleep':
      return void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(amount))
    case 'touch':
      return writeFileSync(amount, '')
    case 'throw':
      throw new Error(`Failpoint "${name}" was told to throw`)
    default:
      throw new Error(
        `Cannot act on failpoint "${name}" as its action is unknown: "${action}"; kill, killgroup, stop, sleep:MS, touch:FILE, throw`,
      )
  }
}
