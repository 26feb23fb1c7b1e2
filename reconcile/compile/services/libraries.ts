// The estate's package file: which npm libraries its services may import, and the lockfile that pins them.

import { type Digest, digestOfBytes } from '../../../schema/digest.ts'
import { type Issue, issue } from '../../../schema/issue.ts'
import { isObject } from '../../../schema/json.ts'
import type { Tree } from '../../source/tree.ts'

export interface Libraries {
  /** Path in the tree; null where the estate has none. */
  readonly packageFile: string | null
  readonly names: ReadonlySet<string>
  /** Installed for the author alone: `npm ci --omit=dev` leaves them out. */
  readonly devNames: ReadonlySet<string>
  /** SHA-256 of the contents of `package-lock.json` beside the package file. */
  readonly lockfile: Digest | null
  readonly issues: readonly Issue[]
}

const none: Libraries = { packageFile: null, names: new Set(), devNames: new Set(), lockfile: null, issues: [] }

/** `<directory>/package.json`, else the one at the root of the tree; one named `plumb-server` is the server's own and never counts. */
export async function readLibraries(tree: Tree, directory: string): Promise<Libraries> {
  const folders = directory === '' || directory === '.' ? [''] : [`${directory}/`, '']
  for (const folder of folders) {
    const packageFile = `${folder}package.json`
    if (!tree.files.has(packageFile)) continue
    const contents = (await tree.read([packageFile])).get(packageFile)
    const parsed = parseObject(new TextDecoder().decode(contents))
    if (!parsed) return { ...none, packageFile, issues: [notAnObject(packageFile)] }
    if (parsed.name === 'plumb-server') continue
    const names = new Set(['dependencies', 'optionalDependencies', 'peerDependencies'].flatMap(key => keysOf(parsed[key])))
    const lockPath = `${folder}package-lock.json`
    const lock = tree.files.has(lockPath) ? (await tree.read([lockPath])).get(lockPath) : undefined
    return {
      packageFile,
      names,
      devNames: new Set(keysOf(parsed.devDependencies)),
      lockfile: lock ? digestOfBytes(lock) : null,
      issues: names.size > 0 && !lock ? [noLockfile(packageFile, lockPath)] : [],
    }
  }
  return none
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(text)
    return isObject(parsed) ? parsed : null
  } catch {
    // The caller makes an issue of it.
    return null
  }
}

function keysOf(value: unknown): string[] {
  return isObject(value) ? Object.keys(value) : []
}

function notAnObject(path: string): Issue {
  return issue('PACKAGE_FILE', `Cannot read ${path} as it is not a JSON object; npm writes one with \`npm init\``, {
    at: { path, line: 1, column: 1 },
  })
}

function noLockfile(path: string, lockPath: string): Issue {
  return issue(
    'LOCKFILE_MISSING',
    `Cannot pin the libraries of ${path} as ${lockPath} is not in the tree; run \`npm install --package-lock-only\` there and commit it`,
    { at: { path, line: 1, column: 1 } },
  )
}
