// How problems and the course of a background task are written, and how an editor reads them back: the lines of `plumb deploy` and the
// matcher of .vscode/tasks.json are made of the same words. @see https://code.visualstudio.com/docs/debugtest/tasks#_background-watching-tasks

import type { JsonObject } from '../schema/json.ts'

/** First and last lines of one turn of a background task; each ends a line of its own. */
export const taskLines = {
  begin: 'Deploying…',
  live: 'Deployed:',
  waits: 'Waiting:',
  refused: 'Not deployed:',
  idle: 'Up to date:',
} as const

/** For `problemMatcher` of a task that runs `plumb deploy --watch`; paths are relative to the folder it runs in, the workspace's. */
export const problemMatcher: JsonObject = {
  owner: 'plumb',
  source: 'plumb',
  fileLocation: ['autoDetect', '${workspaceFolder}'],
  pattern: {
    regexp: '^(.+?):(\\d+):(\\d+): (error|warning) ([A-Z0-9_]+): (.*)$',
    file: 1,
    line: 2,
    column: 3,
    severity: 4,
    code: 5,
    message: 6,
  },
  background: {
    activeOnStart: true,
    beginsPattern: `^${taskLines.begin}`,
    endsPattern: `^(?:${[taskLines.live, taskLines.waits, taskLines.refused, taskLines.idle].join('|')})`,
  },
}
