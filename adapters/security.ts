// Security definitions: basic_auth (RFC 7617), apikey (a header), bearer_token with a static token (RFC 6750).
//
// What a caller sends and what is expected are compared as HMACs under a key of this boot, in constant time, so neither the
// length nor a prefix of the secret shows in how long it takes. What is not spelled exactly as its RFC says is refused.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { JsonObject } from '../schema/json.ts'
import type { Secret } from '../schema/secret.ts'
import { type Credential, type CredentialSender, closedCredential } from './credential.ts'
import type { Adapter, Declared } from './port.ts'

type SecurityView = Credential & CredentialSender

/** @param key what inbound credentials are hashed under; made anew at every boot where absent */
export function securityAdapter(key: Uint8Array = randomBytes(32)): Adapter<SecurityView> {
  const hash = (bytes: Uint8Array | string) => createHmac('sha256', key).update(bytes).digest()
  return {
    prepare: declared => credentialOf(declared, hash),
    closed: (_declared, reason) => closedCredential(reason),
    close: () => undefined,
  }
}

type Hash = (bytes: Uint8Array | string) => Buffer

/** One way to carry a secret in a header. */
interface Scheme {
  readonly header: string
  readonly challenge: string | null
  /** The bytes to compare, or null where the header is not spelled as it must be. */
  read(value: string): Uint8Array | null
  /** The bytes a caller has to present. */
  readonly expected: Uint8Array
  write(): string
}

function credentialOf({ resource, secrets }: Declared, hash: Hash): SecurityView {
  const { name, spec } = resource
  const secret = [secrets.get('/static_token'), secrets.get('/password')].find(found => found !== undefined && found.reveal() !== '')
  if (!secret) return closedCredential(`security "${name}" has no password, and nobody passes without one`)
  const scheme = schemeFor(spec, secret)
  if (!scheme) return closedCredential(`security "${name}" is of a type that is not served: "${String(spec.type)}"`)
  const username = typeof spec.username === 'string' && spec.username !== '' ? spec.username : null
  const expected = hash(scheme.expected)
  return {
    authenticate(headers) {
      const value = soleValue(headers, scheme.header)
      const presented = value === null ? null : scheme.read(value)
      if (presented === null || !timingSafeEqual(hash(presented), expected)) return null
      return { security: name, username }
    },
    headers: () => ({ [scheme.header]: scheme.write() }),
    challenge: scheme.challenge,
    closed: null,
  }
}

function schemeFor(spec: JsonObject, secret: Secret): Scheme | null {
  switch (spec.type) {
    case 'basic_auth':
      return basic(textOf(spec, 'username', ''), textOf(spec, 'realm', 'zato'), secret)
    case 'apikey':
      return plain(textOf(spec, 'header', 'X-API-Key').toLowerCase(), secret)
    case 'bearer_token':
      return bearer(textOf(spec, 'static_header', 'Authorization').toLowerCase(), textOf(spec, 'static_prefix', 'bearer'), secret)
    default:
      return null
  }
}

function textOf(spec: JsonObject, field: string, fallback: string): string {
  const value = spec[field]
  return typeof value === 'string' ? value : fallback
}

function basic(username: string, realm: string, secret: Secret): Scheme {
  const pair = () => Buffer.from(`${username}:${secret.reveal()}`)
  return {
    header: 'authorization',
    challenge: `Basic realm="${realm.replace(/["\\]/g, '\\$&')}", charset="UTF-8"`,
    expected: pair(),
    read(value) {
      const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value) ?? []
      if (encoded === undefined) return null
      const decoded = Buffer.from(encoded, 'base64')
      // Node decodes leniently; only the one spelling that encodes these bytes counts.
      return decoded.toString('base64') === encoded && isUtf8Text(decoded) ? decoded : null
    },
    write: () => `Basic ${pair().toString('base64')}`,
  }
}

function isUtf8Text(bytes: Uint8Array): boolean {
  try {
    return !/\p{Cc}/u.test(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return false // not UTF-8: what the caller sent is its business, and it does not pass
  }
}

function plain(header: string, secret: Secret): Scheme {
  return {
    header,
    challenge: null,
    expected: Buffer.from(secret.reveal()),
    read: headerBytes,
    write: () => headerText(secret.reveal()),
  }
}

function bearer(header: string, prefix: string, secret: Secret): Scheme {
  if (prefix === '') return plain(header, secret)
  const spoken = prefix === 'bearer' ? 'Bearer' : prefix
  return {
    header,
    challenge: header === 'authorization' ? spoken : null,
    expected: Buffer.from(secret.reveal()),
    read(value) {
      const [word, token, ...more] = value.split(/ +/)
      if (word?.toLowerCase() !== prefix.toLowerCase() || token === undefined || more.length > 0) return null
      return headerBytes(token)
    },
    write: () => `${spoken} ${headerText(secret.reveal())}`,
  }
}

/** The value of a header that was sent once; null where it is missing, empty or repeated. */
function soleValue(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name]
  return typeof value === 'string' && value !== '' ? value : null
}

/** node reads header bytes as Latin-1; these are the bytes as they were sent. */
function headerBytes(value: string): Uint8Array {
  return Buffer.from(value, 'latin1')
}

function headerText(text: string): string {
  return Buffer.from(text).toString('latin1')
}
