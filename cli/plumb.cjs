#!/usr/bin/env node
// The launcher: plain JavaScript for Node 18 and newer that only picks the Node. Plumb itself needs Node 24; where the
// system's is older, the `node` package beside this one is used. It runs from a checkout and from the published package.
'use strict'

const { existsSync } = require('node:fs')
const { homedir } = require('node:os')
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')

const wanted = 24
const compiled = join(__dirname, '..', 'dist', 'cli', 'main.js')
const source = join(__dirname, 'main.ts')
const entry = existsSync(source) ? source : compiled

if (Number(process.versions.node.split('.')[0]) >= wanted) {
  // Keeps V8's bytecode of the command between runs, which halves its start. A folder that cannot be written is no error.
  require('node:module').enableCompileCache(cacheFolder())
  import(pathToFileURL(entry).href)
} else {
  const node = newerNode()
  if (node) runUnder(node)
  else {
    console.error(
      `Cannot run plumb as Node ${process.versions.node} is too old: Node ${wanted} or newer is needed; install it, or add the package: npm install node@${wanted}`,
    )
    process.exitCode = 1
  }
}

function cacheFolder() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'plumb', 'node')
}

function newerNode() {
  const platform = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  for (const name of ['node', platform]) {
    try {
      const binary = join(require.resolve(`${name}/package.json`), '..', 'bin', 'node')
      if (existsSync(binary)) return binary
    } catch {
      // Not installed: the next one, or none.
    }
  }
  return undefined
}

// The parent stays for the exit status alone: it takes no descriptor of its own and hands on every signal it can.
function runUnder(node) {
  const child = require('node:child_process').spawn(node, [entry, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    console.error(`Cannot run plumb as ${node} does not start: ${error.message}`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}
