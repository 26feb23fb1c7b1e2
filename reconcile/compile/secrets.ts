// Where secret values come from: the sources that environment.yaml lists, asked in order. Everything is read once, when a
// compilation begins, so that all resources of a revision see the same values.

import type { Dirent } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SecretProvider } from '../../schema/environment.ts'
import { type Issue, issue } from '../../schema/issue.ts'
import { Secret } from '../../schema/secret.ts'
import { unreachable } from '../../schema/unreachable.ts'

export interface SecretSource {
  get(name: string): Secret | undefined
  /** Where a secret of this name is looked for, in order, for messages. */
  describe(name: string): readonly string[]
}

/** Opens the sources a revision lists; issues say what cannot be read. */
export type OpenSecrets = (providers: readonly SecretProvider[]) => Promise<{ source: SecretSource; issues: readonly Issue[] }>

/** name → contents of each regular file directly in `directory`. */
export type ReadSecretFiles = (directory: string) => Promise<ReadonlyMap<string, string>>

/** Sources in the process environment and in files. Names are matched exactly, and for variables also in upper case with `_` for all else. */
export function createSecrets(
  env: Readonly<Record<string, string | undefined>>,
  readFiles: ReadSecretFiles = readSecretFiles,
): OpenSecrets {
  return async providers => {
    const issues: Issue[] = []
    const sources: SecretSource[] = []
    for (const provider of providers) {
      switch (provider.from) {
        case 'env':
          sources.push(fromEnvironment(provider.prefix, env))
          break
        case 'files':
          sources.push(fromFiles(provider.directory, await contentsOf(provider.directory, readFiles, issues)))
          break
        default:
          return unreachable(provider)
      }
    }
    return { source: inOrder(sources), issues }
  }
}

/** For previews and tests: nothing is found, and every secret is reported as missing. */
export const noSecrets: OpenSecrets = async () => ({ source: inOrder([]), issues: [] })

/** Reads regular files of at most 1 MB; hidden ones (such as the `..data` of Kubernetes mounts) are skipped. */
export async function readSecretFiles(directory: string): Promise<ReadonlyMap<string, string>> {
  const contents = new Map<string, string>()
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!isSecretFile(entry)) continue
    const bytes = await readFile(join(directory, entry.name))
    if (bytes.length <= maxSecretBytes) contents.set(entry.name, bytes.toString('utf8'))
  }
  return contents
}

const maxSecretBytes = 1024 * 1024

// Kubernetes mounts each secret as a symbolic link to a file.
function isSecretFile(entry: Dirent): boolean {
  return !entry.name.startsWith('.') && (entry.isFile() || entry.isSymbolicLink())
}

async function contentsOf(directory: string, readFiles: ReadSecretFiles, issues: Issue[]): Promise<ReadonlyMap<string, string>> {
  try {
    return await readFiles(directory)
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    const message = `Cannot read the secrets in "${directory}" (${reason}); create the directory, or correct "secrets" in environment.yaml`
    issues.push(issue('SECRET_SOURCE', message))
    return new Map()
  }
}

function fromEnvironment(prefix: string, env: Readonly<Record<string, string | undefined>>): SecretSource {
  const spelled = (name: string): string => prefix + name.toUpperCase().replace(/[^A-Z0-9]/g, '_')
  return {
    get: name => secretOf(env[prefix + name] ?? env[spelled(name)]),
    describe: name => [`the process variable ${spelled(name)}`],
  }
}

function fromFiles(directory: string, contents: ReadonlyMap<string, string>): SecretSource {
  return {
    get: name => secretOf(contents.get(name)?.replace(/\r?\n$/, '')),
    describe: name => [`the file ${join(directory, name)}`],
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
  }
}
