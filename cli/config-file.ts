// plumb.yaml as a file: what it declares, and where, so that a finding about a field names its line.

import { readFile } from 'node:fs/promises'
import { isNode, LineCounter, parseDocument } from 'yaml'
import type { Position } from '../schema/issue.ts'
import { isObject, type JsonObject, stepsOf } from '../schema/json.ts'
import { fileReason } from './file-reason.ts'
import { CommandError, exit } from './run.ts'

export interface ConfigFile {
  readonly declared: JsonObject
  /** Where `pointer` is declared; the nearest that holds it where it is not. */
  positionOf(pointer: string): Position
}

/** @throws CommandError where the file cannot be read or is no mapping */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const lines = new LineCounter()
  const document = parseDocument(await textOf(path), { lineCounter: lines })
  const [flaw] = document.errors
  if (flaw) {
    const at = lines.linePos(flaw.pos[0])
    throw new CommandError(`Cannot read "${path}" as it is not YAML: line ${at.line}, column ${at.col}: ${flaw.message.split('\n')[0]}`, {
      status: exit.usage,
    })
  }
  const declared: unknown = document.toJS()
  if (!isObject(declared))
    throw new CommandError(`Cannot read "${path}" as it holds no mapping: fields such as "environment" and "source" are accepted`, {
      status: exit.usage,
    })
  return {
    declared,
    positionOf(pointer) {
      for (let steps = stepsOf(pointer); ; steps = steps.slice(0, -1)) {
        const node: unknown = steps.length === 0 ? document.contents : document.getIn(steps, true)
        const start = isNode(node) ? node.range?.[0] : undefined
        if (start === undefined && steps.length > 0) continue
        const { line, col } = lines.linePos(start ?? 0)
        return { path, line, column: col }
      }
    },
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new CommandError(`Cannot read "${path}" as ${fileReason(error)}: the path of a plumb.yaml is accepted`, {
      status: exit.usage,
    })
  }
}
