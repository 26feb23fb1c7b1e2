// Node's http without its face as an ES module. That face reads every export, the lazily made WebSocket among them, and so loads the
// whole of Node's own undici into each process: 25 ms of every start, for what nobody here uses.

export const { createServer, IncomingMessage, STATUS_CODES } = process.getBuiltinModule('node:http')
