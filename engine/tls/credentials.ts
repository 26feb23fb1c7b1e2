// What a listener proves itself with: certificate chain, private key, and the authority of its clients, read from their files and judged
// together. A judgement is a value, as files that are bad at this instant are an ordinary thing: somebody may be about to renew them.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { TlsConfig } from '../../schema/server.ts'
import { type Credentials, withoutNull } from './secure-server.ts'

export type Fault = 'Unreadable' | 'Exposed' | 'Malformed' | 'KeyMismatch' | 'NotYetValid' | 'Expired'

export type Judgement =
  | { readonly kind: 'good'; readonly credentials: Credentials }
  /** `why` completes "Cannot … as" and names the file. */
  | { readonly kind: 'bad'; readonly fault: Fault; readonly why: string }

/** Never throws. @param now milliseconds of the calendar */
export async function readCredentials({ cert, key, clientCa, minVersion }: TlsConfig, now: number): Promise<Judgement> {
  try {
    const credentials: Credentials = {
      cert: await textOf(cert, 'public'),
      key: await textOf(key, 'private'),
      clientCa: clientCa === null ? null : await textOf(clientCa, 'public'),
    }
    const [leaf] = certificatesIn(credentials.cert, cert)
    if (!leaf.checkPrivateKey(keyIn(credentials.key, key)))
      throw new FaultError('KeyMismatch', `the key in ${key} is not that of the first certificate in ${cert}`)
    judgeTime(leaf, cert, now)
    if (clientCa !== null && credentials.clientCa !== null) judgeAuthorities(certificatesIn(credentials.clientCa, clientCa), clientCa, now)
    try {
      process.getBuiltinModule('node:tls').createSecureContext({ ...withoutNull(credentials), minVersion })
    } catch (cause) {
      // Such as a key that is too short for this OpenSSL.
      throw new FaultError('Malformed', `TLS does not take ${cert} with ${key} (${reasonOf(cause)})`)
    }
    return { kind: 'good', credentials }
  } catch (error) {
    if (error instanceof FaultError) return { kind: 'bad', fault: error.fault, why: error.message }
    return { kind: 'bad', fault: 'Unreadable', why: `its files cannot be read (${reasonOf(error)})` }
  }
}

/** From when to when the listener's own certificate is valid, in milliseconds of the calendar. */
export function validityOf({ cert }: Credentials): { readonly from: number; readonly to: number } {
  const { validFromDate, validToDate } = new X509Certificate(cert)
  return { from: validFromDate.getTime(), to: validToDate.getTime() }
}

class FaultError extends Error {
  readonly fault: Fault

  constructor(fault: Fault, message: string) {
    super(message)
    this.fault = fault
  }
}

/** More than any chain; a file that grows without end must not fill the memory. */
const maxBytes = 1024 * 1024

async function textOf(path: string, visibility: 'public' | 'private'): Promise<string> {
  let file: FileHandle
  try {
    // Without waiting: to open a pipe that nobody writes to would never end.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw new FaultError('Unreadable', `${path} cannot be read (${reasonOf(cause)})`)
  }
  try {
    const stats = await file.stat() // of the open file, so that what is checked is what is read
    if (!stats.isFile()) throw new FaultError('Unreadable', `${path} is not a file`)
    if (stats.size > maxBytes) throw new FaultError('Malformed', `${path} is larger than ${maxBytes} bytes`)
    if (visibility === 'private' && (stats.mode & 0o007) !== 0) {
      const mode = (stats.mode & 0o777).toString(8).padStart(4, '0')
      throw new FaultError('Exposed', `others than its owner and group may use the key ${path} (mode ${mode}; run chmod 640 ${path})`)
    }
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function certificatesIn(text: string, path: string): readonly [X509Certificate, ...X509Certificate[]] {
  const [first, ...rest] =
    text.match(/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g) ?? []
  if (first === undefined) throw new FaultError('Malformed', `${path} holds no certificate in PEM`)
  try {
    return [new X509Certificate(first), ...rest.map(block => new X509Certificate(block))]
  } catch (cause) {
    throw new FaultError('Malformed', `${path} holds a certificate that cannot be read (${reasonOf(cause)})`)
  }
}

function keyIn(text: string, path: string): KeyObject {
  if (/ENCRYPTED/.test(text)) throw new FaultError('Malformed', `the key in ${path} is encrypted; one without a passphrase is accepted`)
  try {
    return createPrivateKey(text)
  } catch {
    // Not the parser's own words, which are about the key.
    throw new FaultError('Malformed', `${path} holds no private key in PEM`)
  }
}

function judgeTime(leaf: X509Certificate, path: string, now: number): void {
  const [from, to] = [leaf.validFromDate, leaf.validToDate]
  if (now < from.getTime()) throw new FaultError('NotYetValid', `the certificate in ${path} is not valid before ${from.toISOString()}`)
  if (now >= to.getTime()) throw new FaultError('Expired', `the certificate in ${path} expired at ${to.toISOString()}`)
}

function judgeAuthorities(authorities: readonly X509Certificate[], path: string, now: number): void {
  if (authorities.every(({ validToDate }) => now >= validToDate.getTime()))
    throw new FaultError('Expired', `every certificate in ${path} expired`)
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException // fs, crypto and tls throw these
  return code ?? message
}
