// What the estate of a test is compiled to, by the same compilation as a server's, and where it is kept: a run of tests compiles once,
// and each of its processes reads the result. Secrets are made up, so nothing of it is secret; where real ones were read it is not kept.

import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hasErrors, type Issue } from '../../schema/issue.ts'
import { version } from '../version.ts'
import type { CompiledEstate, EstateRequest } from './compiled-estate.ts'

/** An estate that does not compile. */
export class EstateError extends Error {
  override readonly name = 'EstateError'
  readonly issues: readonly Issue[]

  constructor(environment: string, issues: readonly Issue[]) {
    const errors = issues.filter(({ severity }) => severity === 'error')
    const lines = errors.map(({ at, code, message }) => `  ${at ? `${at.path}:${at.line}:${at.column}: ` : ''}${code}: ${message}`)
    super([`Cannot build environment "${environment}" as it has errors`, ...lines].join('\n'))
    this.issues = issues
  }
}

/** The variable by which a run tells its processes the state of the tree, so that none looks at it again. */
export const treeVariable = 'PLUMB_TEST_TREE'

/** Tells the processes of a run the environment of tests that name none. */
export const environmentVariable = 'PLUMB_TEST_ENVIRONMENT'

/** Raised whenever the same estate is kept in another form. */
const format = 1
const maxKept = 32

/** @throws EstateError with what is wrong */
export async function loadEstate(request: EstateRequest): Promise<CompiledEstate> {
  const { root, environment, realSecrets } = request
  const directory = join(root, '.plumb', 'cache', 'test')
  const told = realSecrets ? null : toldTree(root)
  const known = told === null ? null : read(pathOf(directory, told, request))
  if (known && isCurrent(known, request)) return known
  // The compiler is heavy: where the result is kept nobody waits for it.
  const { compileEstate, snapshotOf } = await import('./compile-estate.ts')
  await using snapshot = await snapshotOf(root)
  const path = pathOf(directory, snapshot.digest, request)
  const kept = realSecrets || told === snapshot.digest ? null : read(path)
  if (kept && isCurrent(kept, request)) return kept
  const compiled = await compileEstate(snapshot.tree, request)
  if (compiled.estate === null || hasErrors(compiled.issues)) throw new EstateError(environment, compiled.issues)
  if (!realSecrets) await keep(path, compiled.estate)
  return compiled.estate
}

/** What `treeVariable` holds for this root. */
export function treeText(root: string, digest: string): string {
  return JSON.stringify([root, digest])
}

function toldTree(root: string): string | null {
  const text = process.env[treeVariable]
  if (text === undefined) return null
  const [of, digest] = JSON.parse(text) as [string, string] // written by `treeText`
  return of === root ? digest : null
}

/** By everything that the result hangs on but process variables, which are compared by themselves. */
function pathOf(directory: string, tree: string, { environment, secrets = {}, vars = {}, vocabulary }: EstateRequest): string {
  const schemas = [...vocabulary.kinds.values()].map(({ schema }) => schema)
  const parts = [
    format,
    version(),
    process.versions.node,
    tree,
    environment,
    Object.entries(secrets).sort(),
    Object.entries(vars).sort(),
    schemas,
  ]
  return join(directory, `${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}.json`)
}

function isCurrent(known: CompiledEstate, { env = {} }: EstateRequest): boolean {
  const isThere = known.librariesFolder === null || existsSync(join(known.librariesFolder, 'package-lock.json'))
  return isThere && Object.entries(known.env).every(([name, value]) => (env[name] ?? process.env[name] ?? null) === value)
}

/** The first line is the digest of the rest, so that a damaged file is a miss. */
function read(path: string): CompiledEstate | null {
  try {
    const text = readFileSync(path, 'utf8')
    const body = text.slice(65)
    return digestOf(body) === text.slice(0, 64) ? (JSON.parse(body) as CompiledEstate) : null // written by `keep`
  } catch {
    return null // not there: it is compiled
  }
}

async function keep(path: string, estate: CompiledEstate): Promise<void> {
  const directory = dirname(path)
  const temporary = join(directory, `.${randomUUID()}`)
  try {
    await mkdir(directory, { recursive: true })
    const body = JSON.stringify(estate)
    await writeFile(temporary, `${digestOf(body)}\n${body}`)
    await rename(temporary, path)
    await prune(directory)
  } catch {
    // A cache that cannot be written costs time, and no test.
    await rm(temporary, { force: true })
  }
}

async function prune(directory: string): Promise<void> {
  const aged = await Promise.all(
    (await readdir(directory)).map(async name => ({ path: join(directory, name), at: (await stat(join(directory, name))).mtimeMs })),
  )
  for (const { path } of aged.sort((one, other) => other.at - one.at).slice(maxKept)) await rm(path, { force: true })
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
