// What `plumb init` writes for VS Code: how to start, check and deploy an estate, and how to attach to its services.

import type { JsonObject } from '../schema/json.ts'
import { defaultInspectPort } from './inspector.ts'
import { problemMatcher } from './problem-matcher.ts'

const devTask = 'plumb: dev'

/** By path from the root of an estate. */
export function editorFiles(): Readonly<Record<string, string>> {
  return {
    '.vscode/launch.json': text({ version: '0.2.0', configurations: launches }),
    '.vscode/tasks.json': text({ version: '2.0.0', tasks }),
  }
}

const attach: JsonObject = {
  type: 'node',
  request: 'attach',
  address: '127.0.0.1',
  port: Number(defaultInspectPort),
  // A worker that was replaced is attached to anew.
  restart: true,
  sourceMaps: true,
  resolveSourceMapLocations: null,
  skipFiles: ['<node_internals>/**', '**/node_modules/**'],
}

const launches: readonly JsonObject[] = [
  { name: 'Plumb: dev', ...attach, preLaunchTask: devTask },
  { name: 'Plumb: attach', ...attach },
  // Files of a server lie there, once `plumb debug` has opened the port.
  { name: 'Plumb: attach to a server', ...attach, localRoot: '${workspaceFolder}', remoteRoot: '/estate' },
]

const { background: _background, ...once } = problemMatcher

const tasks: readonly JsonObject[] = [
  {
    label: devTask,
    ...task('plumb dev --inspect'),
    isBackground: true,
    problemMatcher: {
      ...once,
      // The debugger attaches once the port for it is open.
      background: { activeOnStart: true, beginsPattern: '^Serving ', endsPattern: '^Debugger ' },
    },
  },
  { label: 'plumb: validate', ...task('plumb validate --types'), group: 'build', problemMatcher: once },
  { label: 'plumb: deploy', ...task('plumb deploy --watch'), isBackground: true, problemMatcher },
]

function task(command: string): JsonObject {
  return { type: 'shell', command, presentation: { reveal: 'always', panel: 'dedicated' } }
}

function text(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
