// Certificates made by the openssl program, as operators make them.

import { execFile, execFileSync } from 'node:child_process'
import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { temporaryDirectory } from './directory.ts'

const run = promisify(execFile)

/** False: the test is skipped by this name. */
export const hasOpenssl = isThere('openssl', 'version')
export const hasCurl = isThere('curl', '--version')

export interface Pair {
  readonly cert: string
  readonly key: string
}

export interface Authority extends AsyncDisposable {
  readonly directory: string
  /** The authority's own certificate. */
  readonly ca: string
  /** Makes files named after `name`, for localhost and 127.0.0.1. Negative `days`: it has expired. */
  issue(name: string, wish?: { readonly days?: number; readonly subject?: string }): Promise<Pair>
}

export async function createAuthority(): Promise<Authority> {
  const home = await temporaryDirectory()
  const at = (name: string) => join(home.path, name)
  const openssl = (...args: string[]) => run('openssl', args, { cwd: home.path })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const ca = at('ca.pem')
  await openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Test authority', '-days', '30')
  await writeFile(at('san'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  return {
    directory: home.path,
    ca,
    async issue(name, { days = 90, subject = '/CN=localhost' } = {}) {
      await openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject)
      const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'san']
      await openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-days', String(days), '-out', `${name}.pem`)
      return { cert: at(`${name}.pem`), key: at(`${name}.key`) }
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  }
}

/** Puts the files of `from` in place of those of `to`. */
export async function install(from: Pair, to: Pair): Promise<void> {
  await copyFile(from.cert, to.cert)
  await copyFile(from.key, to.key)
}

export async function fingerprintOf(path: string): Promise<string> {
  const { stdout } = await run('openssl', ['x509', '-in', path, '-noout', '-fingerprint', '-sha256'])
  return fingerprintIn(stdout)
}

/** What `openssl x509 -fingerprint` prints, as Node writes it. */
export function fingerprintIn(text: string): string {
  return /Fingerprint=([0-9A-F:]+)/.exec(text)?.[1] ?? ''
}

function isThere(program: string, argument: string): boolean {
  try {
    execFileSync(program, [argument], { stdio: 'ignore' })
    return true
  } catch {
    return false // it is not installed
  }
}
