// What an editor needs to know of plumb-server in an estate that has installed nothing: its declarations and a tsconfig that
// finds them, both under .plumb/, which git does not keep. An estate's own tsconfig.json extends that one.

import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)

/** Writes the declarations of `plumb-server` and `plumb-server/test` under `.plumb/types/`, and `.plumb/tsconfig.json`; gives their paths. */
export async function writeSdkTypes(root: string): Promise<string[]> {
  const folder = join(root, '.plumb', 'types')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const declarations = join(folder, 'plumb-server.d.ts')
  const tests = join(folder, 'plumb-server-test.d.ts')
  const config = join(root, '.plumb', 'tsconfig.json')
  await writeFile(declarations, await declarationsOf('../engine/service/sdk'))
  // Beside each other they find each other by name.
  await writeFile(tests, (await declarationsOf('./kit/test-api')).replace(/'[^']*\/sdk\.[a-z.]+'/, "'plumb-server'"))
  await writeFile(config, `${JSON.stringify(tsconfig(), null, 2)}\n`)
  return [declarations, tests, config]
}

/** @param module path of a file of ours, without its ending */
async function declarationsOf(module: string): Promise<string> {
  const compiled = fileURLToPath(new URL(`${module}.d.ts`, import.meta.url))
  if (existsSync(compiled)) return await readFile(compiled, 'utf8')
  const source = fileURLToPath(new URL(`${module}.ts`, import.meta.url))
  const { default: ts } = await import('typescript')
  const { outputText } = ts.transpileDeclaration(await readFile(source, 'utf8'), {
    fileName: source,
    compilerOptions: { target: ts.ScriptTarget.ES2024, module: ts.ModuleKind.NodeNext },
  })
  return outputText
}

/** Clients come from this server's own installation: `ctx.sql` and `ctx.redis` hand out its pg and ioredis. */
function tsconfig() {
  const types = dirname(dirname(require.resolve('@types/node/package.json')))
  return {
    compilerOptions: {
      target: 'es2024',
      module: 'preserve',
      moduleResolution: 'bundler',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      erasableSyntaxOnly: true,
      verbatimModuleSyntax: true,
      types: ['node'],
      typeRoots: [types],
      paths: {
        'plumb-server': ['./types/plumb-server.d.ts'],
        'plumb-server/test': ['./types/plumb-server-test.d.ts'],
        pg: [join(types, 'pg')],
        ioredis: [dirname(require.resolve('ioredis/package.json'))],
      },
    },
  }
}
