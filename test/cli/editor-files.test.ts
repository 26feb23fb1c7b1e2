import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'vitest'
import { editorFiles } from '../../cli/editor-files.ts'
import { printIssues } from '../../cli/print.ts'
import { issue } from '../../schema/issue.ts'

interface Launch {
  readonly name: string
  readonly port: number
  readonly restart: boolean
  readonly preLaunchTask?: string
}

interface Task {
  readonly label: string
  readonly command: string
  readonly problemMatcher: {
    readonly pattern: { readonly regexp: string; readonly file: number; readonly line: number; readonly code: number }
    readonly background?: { readonly endsPattern: string }
  }
}

const files = editorFiles()
const { configurations } = JSON.parse(files['.vscode/launch.json'] ?? '') as { configurations: readonly Launch[] } // as VS Code documents
const { tasks } = JSON.parse(files['.vscode/tasks.json'] ?? '') as { tasks: readonly Task[] }

test('editorFiles() attach to the port that dev and debug open by default, again where a worker is replaced', () => {
  for (const { name, port, restart } of configurations) assert.deepEqual([port, restart], [9229, true], name)
})

test('editorFiles() start no task that is not there', () => {
  const named = configurations.flatMap(({ preLaunchTask }) => preLaunchTask ?? [])
  assert.deepEqual(
    named.filter(label => !tasks.some(task => task.label === label)),
    [],
  )
  assert.deepEqual(named, ['plumb: dev'])
})

test('editorFiles() have the editor attach once dev says where', () => {
  const { endsPattern = '' } = tasks.find(({ label }) => label === 'plumb: dev')?.problemMatcher.background ?? {}
  assert.match('Debugger  127.0.0.1:9229, for an editor to attach to; docs/debugging.md', new RegExp(endsPattern))
})

test('editorFiles() read problems as the commands print them', () => {
  const written = new PassThrough()
  const at = { path: 'services/a.ts', line: 3, column: 7 }
  printIssues([issue('INVALID_VALUE', 'Cannot use it', { at })], written as never) // nothing of a terminal is asked
  const [line = ''] = String(written.read()).split('\n')
  for (const { label, problemMatcher } of tasks) {
    const { pattern } = problemMatcher
    const found = new RegExp(pattern.regexp).exec(line)
    assert.deepEqual([found?.[pattern.file], found?.[pattern.line], found?.[pattern.code]], ['services/a.ts', '3', 'INVALID_VALUE'], label)
  }
})
