// Debugging a server: which workers there are, a tunnel to one, and the end of all sessions. Who debugs sees the memory of a worker, and
// with it the secrets it uses: that is for an admin alone.

import { environmentPrefix, json, maxBodyBytes, object, type Row } from './route.ts'

export const debugRows: readonly Row[] = [
  {
    id: 'listDebugTargets',
    method: 'GET',
    path: `${environmentPrefix}/debug`,
    summary: 'Workers that may be debugged, and the debuggers that are attached',
    role: 'admin',
    scope: 'debug',
    answer: json('{ targets, sessions }'),
    run: async (_call, { debug }) => debug.targets(),
  },
  {
    id: 'debugWorker',
    method: 'GET',
    path: `${environmentPrefix}/debug/workers/{worker}`,
    summary: 'A worker that may be debugged; upgraded to a WebSocket, a session of the DevTools protocol with it',
    role: 'admin',
    scope: 'debug',
    answer: json('{ tunnel }'),
    run: async ({ params, actor }, { debug }) => debug.target(Number(params.worker), actor),
  },
  {
    id: 'detachDebuggers',
    method: 'POST',
    path: `${environmentPrefix}/debug/detach`,
    summary: 'Ends all debugging sessions; what they held goes on',
    role: 'operator',
    scope: 'debug',
    body: { schema: object({}), maxBytes: maxBodyBytes },
    answer: json('{ detached }'),
    run: async ({ actor }, { debug }) => debug.detach(actor),
  },
]
