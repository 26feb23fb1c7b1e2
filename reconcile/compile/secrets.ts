// Where secret values come from: the sources that environment.yaml lists, asked in order. Everything is read once, when a
// compilation begins, so that all resources of a revision see the same values.

import type { Dirent } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { SecretProvider } from '../../schema/environment.ts'
import { type Issue, issue } from '../../schema/issue.ts'
import { pointerOf } from '../../schema/json.ts'
import { Secret } from '../../schema/secret.ts'
import { unreachable } from '../../schema/unreachable.ts'

export interface SecretSource {
  get(name: string): Secret | undefined
  /** Where a secret of this name is looked for, in order, for messages. */
  describe(name: string): readonly string[]
  /** What `describe` says of files that are there and give no secret. */
  readonly unreadable: readonly string[]
}

/** Opens the sources a revision lists; issues say what cannot be read, with a pointer into environment.yaml. */
export type OpenSecrets = (providers: readonly SecretProvider[]) => Promise<{ source: SecretSource; issues: readonly Issue[] }>

/** name → contents of each regular file directly in `directory`, or why it gives none. */
export type ReadSecretFiles = (directory: string) => Promise<ReadonlyMap<string, string | Unreadable>>

export interface Unreadable {
  /** As the end of "Cannot … as". */
  readonly reason: string
  /** Something else than a file has the name, which is no mistake until a secret is looked for there. */
  readonly isFile: boolean
}

/** Sources in the process environment and in files. Names are matched exactly, and for variables also in upper case with `_` for all else. */
export function createSecrets(
  env: Readonly<Record<string, string | undefined>>,
  readFiles: ReadSecretFiles = readSecretFiles,
): OpenSecrets {
  return async providers => {
    const issues: Issue[] = []
    const sources: SecretSource[] = []
    for (const [index, provider] of providers.entries()) {
      switch (provider.from) {
        case 'env':
          sources.push(fromEnvironment(provider.prefix, env))
          break
        case 'files':
          sources.push(fromFiles(provider.directory, await contentsOf(provider.directory, readFiles, report)))
          break
        default:
          return unreachable(provider)
      }
      function report(message: string): void {
        issues.push(issue('SECRET_SOURCE', message, { pointer: pointerOf(['secrets', index, 'files']) }))
      }
    }
    return { source: inOrder(sources), issues }
  }
}

/** For previews and tests: nothing is found, and every secret is reported as missing. */
export const noSecrets: OpenSecrets = async () => ({ source: inOrder([]), issues: [] })

/** Reads regular files of at most 1 MB, and what links to one; hidden ones (such as the `..data` of Kubernetes mounts) are skipped. */
export async function readSecretFiles(directory: string): Promise<ReadonlyMap<string, string | Unreadable>> {
  const entries = (await readdir(directory, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'))
  return new Map(await Promise.all(entries.map(async entry => [entry.name, await readSecretFile(directory, entry)] as const)))
}

const maxSecretBytes = 1024 * 1024

async function readSecretFile(directory: string, entry: Dirent): Promise<string | Unreadable> {
  const path = join(directory, entry.name)
  try {
    // Kubernetes mounts each secret as a symbolic link to a file.
    const found = entry.isSymbolicLink() || entry.isFile() ? await stat(path) : entry
    if (!found.isFile()) return { reason: found.isDirectory() ? 'it is a directory' : 'it is no regular file', isFile: false }
    if ('size' in found && found.size > maxSecretBytes) return { reason: 'it has more than 1 MB', isFile: true }
    return await readFile(path, 'utf8')
  } catch (error) {
    return { reason: reasonOf(error), isFile: true }
  }
}

async function contentsOf(
  directory: string,
  readFiles: ReadSecretFiles,
  report: (message: string) => void,
): Promise<ReadonlyMap<string, string | Unreadable>> {
  try {
    const contents = await readFiles(directory)
    for (const [name, found] of [...contents].sort(([one], [other]) => (one < other ? -1 : 1)))
      if (typeof found !== 'string' && found.isFile)
        report(`Cannot read the secret in "${join(directory, name)}" as ${found.reason}; correct the file, or take it away`)
    return contents
  } catch (error) {
    report(
      `Cannot read the secrets in "${directory}" as ${reasonOf(error)}; create the directory, or correct "secrets" in environment.yaml`,
    )
    return new Map()
  }
}

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
  return `the system answers ${code}`
}

function fromEnvironment(prefix: string, env: Readonly<Record<string, string | undefined>>): SecretSource {
  const spelled = (name: string): string => prefix + name.toUpperCase().replace(/[^A-Z0-9]/g, '_')
  return {
    get: name => secretOf(env[prefix + name] ?? env[spelled(name)]),
    describe: name => [`the process variable ${spelled(name)}`],
    unreadable: [],
  }
}

function fromFiles(directory: string, contents: ReadonlyMap<string, string | Unreadable>): SecretSource {
  const describe = (name: string): string => {
    const found = contents.get(name)
    const reason = found === undefined || typeof found === 'string' ? '' : `, which cannot be read as ${found.reason}`
    return `the file ${join(directory, name)}${reason}`
  }
  return {
    get(name) {
      const found = contents.get(name)
      return secretOf(typeof found === 'string' ? found.replace(/\r?\n$/, '') : undefined)
    },
    describe: name => [describe(name)],
    unreadable: [...contents].flatMap(([name, found]) => (typeof found === 'string' ? [] : [describe(name)])).sort(),
  }
}

function secretOf(value: string | undefined): Secret | undefined {
  return value === undefined ? undefined : new Secret(value)
}

function inOrder(sources: readonly SecretSource[]): SecretSource {
  return {
    get(name) {
      for (const source of sources) {
        const secret = source.get(name)
        if (secret) return secret
      }
      return undefined
    },
    describe: name => sources.flatMap(source => source.describe(name)),
    unreadable: sources.flatMap(source => source.unreadable),
  }
}
