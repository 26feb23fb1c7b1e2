// Loaded ahead of every test file by `plumb test`: it leads `plumb-server` and `plumb-server/test` to this server's own, wherever the
// estate lies, and makes a module of a `*.test.yaml`.

import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

const own = new Map([
  ['plumb-server', new URL(`../../engine/service/sdk.${ending}`, import.meta.url).href],
  ['plumb-server/test', new URL(`./kit.${ending}`, import.meta.url).href],
])
const { yamlModule } =
  process.argv[1]?.endsWith('.yaml') || process.argv[1]?.endsWith('.yml') ? await import('./yaml-module.ts') : { yamlModule: null }

registerHooks({
  resolve(specifier, context, next) {
    const url = own.get(specifier)
    if (url !== undefined) return { url, shortCircuit: true }
    const found = next(specifier, context)
    if (/\.test\.ya?ml$/.test(found.url)) return { ...found, format: 'module' }
    // The code of an estate is ES modules, whatever package.json is above it.
    return found.url.endsWith('.ts') && !found.url.includes('/node_modules/') ? { ...found, format: 'module-typescript' } : found
  },
  load(url, context, next) {
    if (yamlModule === null || !/\.test\.ya?ml$/.test(url)) return next(url, context)
    const path = fileURLToPath(url)
    return { format: 'module', source: yamlModule(path, readFileSync(path)), shortCircuit: true }
  },
})
