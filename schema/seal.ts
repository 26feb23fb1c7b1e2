// Secrets at rest. One key file per server (or per cluster) from which HKDF (RFC 5869) derives a key for each purpose, so
// that what is known of one says nothing of another. Sealing is AES-256-GCM (NIST SP 800-38D) with a random nonce; the
// place a value belongs to is authenticated with it, so that a sealed value moved elsewhere does not open.

import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Secret } from './secret.ts'

/**
 * The key in the file at `path`; undefined where there is no such file.
 * @throws Error where others may read the file, or it holds no key
 */
export function readSealKey(path: string): SealKey | undefined {
  const text = readPrivateFile(path)
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== keyBytes || bytes.toString('base64') !== text.trim())
    throw new Error(`Cannot use the seal key "${path}" as it is not ${keyBytes} bytes in base64; restore it from a copy`)
  return new SealKey(bytes)
}

/**
 * Writes a new random key to `path` (mode 0600, missing directories 0700) and reads it back. Whole or not at all: a crash leaves no half a key.
 * @throws Error where the file exists: a key is never replaced, as what it sealed would be lost
 */
export function createSealKey(path: string): SealKey {
  const directory = dirname(path)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const bytes = randomBytes(keyBytes)
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  writeFileSync(draft, `${bytes.toString('base64')}\n`, { flag: 'wx', mode: 0o600, flush: true })
  try {
    linkSync(draft, path) // unlike a rename it fails where the name is taken
  } catch (cause) {
    throw new Error(`Cannot create the seal key "${path}" as the file exists or cannot be written; a key is never replaced`, { cause })
  } finally {
    rmSync(draft)
  }
  syncDirectory(directory)
  return new SealKey(bytes)
}

export class SealKey {
  readonly #seal: KeyObject
  readonly #digest: Uint8Array
  readonly #signing: Uint8Array

  /** @param bytes 32 random bytes */
  constructor(bytes: Uint8Array) {
    if (bytes.length !== keyBytes) throw new RangeError(`Cannot derive keys from ${bytes.length} bytes: ${keyBytes} are needed`)
    this.#seal = createSecretKey(derive(bytes, 'plumb/seal/1'))
    this.#digest = derive(bytes, 'plumb/secret-digest/1')
    this.#signing = derive(bytes, 'plumb/plan-signing/1')
  }

  /** Key of secret digests, see `keyedDigestOf`. */
  get digestKey(): Uint8Array {
    return this.#digest
  }

  /** Key that signs plans. */
  get signingKey(): Uint8Array {
    return this.#signing
  }

  /**
   * @param context where the value belongs, such as `prod security/crm /password`; the same is needed to unseal
   * @returns base64 of version, nonce, tag and ciphertext; different each time
   */
  seal(plain: string, context: string): string {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#seal, nonce, { authTagLength: tagBytes })
    cipher.setAAD(Buffer.from(context, 'utf8'))
    const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
    return Buffer.concat([Buffer.of(version), nonce, cipher.getAuthTag(), body]).toString('base64')
  }

  /** What a process that only opens needs, in base64: see `createUnsealer`. It seals as well, but derives no other key. */
  get sealingKey(): string {
    return this.#seal.export().toString('base64')
  }

  /** @throws Error where `sealed` was made under another key or context, or was changed */
  unseal(sealed: string, context: string): Secret {
    return unsealWith(this.#seal, sealed, context)
  }
}

export interface Unsealer {
  /** @throws Error where `sealed` was made under another key or context, or was changed */
  unseal(sealed: string, context: string): Secret
}

export function createUnsealer(sealingKey: string): Unsealer {
  const key = createSecretKey(Buffer.from(sealingKey, 'base64'))
  return { unseal: (sealed, context) => unsealWith(key, sealed, context) }
}

function unsealWith(key: KeyObject, sealed: string, context: string): Secret {
  const bytes = Buffer.from(sealed, 'base64')
  const bodyAt = 1 + nonceBytes + tagBytes
  if (bytes.length < bodyAt || bytes[0] !== version)
    throw new Error(`Cannot unseal a value of "${context}" as it is not in the form this version seals`)
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, 1 + nonceBytes), { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(context, 'utf8'))
    decipher.setAuthTag(bytes.subarray(1 + nonceBytes, bodyAt))
    return new Secret(Buffer.concat([decipher.update(bytes.subarray(bodyAt)), decipher.final()]).toString('utf8'))
  } catch (cause) {
    throw new Error(`Cannot unseal a value of "${context}" as it was sealed under another key or was changed`, { cause })
  }
}

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const version = 1

function derive(bytes: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', bytes, new Uint8Array(0), purpose, keyBytes))
}

function readPrivateFile(path: string): string | undefined {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY)
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw new Error(`Cannot read the seal key "${path}"`, { cause })
  }
  try {
    const stats = fstatSync(file) // of the open file, so that what is checked is what is read
    if (!stats.isFile()) throw new Error(`Cannot use the seal key "${path}" as it is not a file`)
    if ((stats.mode & 0o077) !== 0) {
      const mode = (stats.mode & 0o777).toString(8).padStart(4, '0')
      throw new Error(`Cannot use the seal key "${path}" as others than its owner may read it: mode is ${mode}; run chmod 600 ${path}`)
    }
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
}

function syncDirectory(directory: string): void {
  const handle = openSync(directory, constants.O_RDONLY)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
