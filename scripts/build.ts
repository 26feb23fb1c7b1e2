// Compiles the five floors to dist/, which is what the published package runs: Node strips no types below node_modules.
// In dist/ the package import `#failpoint` is a plain path to the function that does nothing, so that no condition given to
// Node arms anything in a published package.
//   node scripts/build.ts [directory]     dist/ where none is given

import { spawnSync } from 'node:child_process'
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const floors = ['schema', 'adapters', 'engine', 'reconcile', 'cli']

/** Replaces what is in `directory`. Where the compiler finds an error it has said so, and the process ends with its status. */
export function build(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  compile(directory)
  copyOthers(directory)
  for (const file of globSync('**/*.js', { cwd: directory })) disarm(join(directory, file), directory)
  for (const file of globSync('**/*.d.ts', { cwd: directory })) leadToCompiled(join(directory, file))
}

function compile(directory: string): void {
  const compiler = join(root, 'node_modules/typescript-7/bin/tsc')
  const args = [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', directory]
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

/** What the compiler does not emit: schemas that are read at run time, and plain JavaScript. */
function copyOthers(directory: string): void {
  for (const file of globSync(
    floors.map(floor => `${floor}/**/*.{json,js}`),
    { cwd: root },
  ))
    cpSync(join(root, file), join(directory, file))
}

/** The compiler leaves the endings of declarations as they are. */
function leadToCompiled(file: string): void {
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace(/(from '\.[^']*)\.ts'/g, "$1.js'"))
}

function disarm(file: string, directory: string): void {
  const text = readFileSync(file, 'utf8')
  if (!text.includes("'#failpoint'")) return
  const path = relative(dirname(file), join(directory, 'engine/failpoint.js'))
  writeFileSync(file, text.replaceAll("'#failpoint'", `'${path.startsWith('.') ? path : `./${path}`}'`))
}

if (import.meta.main) build(resolve(process.argv[2] ?? join(root, 'dist')))
