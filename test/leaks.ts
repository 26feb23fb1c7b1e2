// Looks for secrets where none may be: each has a marker of letters and digits in it, which stands the same in plain, URL-encoded and
// JSON-escaped text, and is looked for in base64 (at each of its three alignments) and in hexadecimal as well.

import { randomBytes } from 'node:crypto'

export interface Canary {
  readonly name: string
  /** Holds the marker between characters that every encoding spells in its own way. */
  readonly value: string
}

/** `awkward` false: only what may stand in an HTTP header or a host name. */
export function canary(name: string, awkward = true): Canary {
  const marker = `cnry${randomBytes(9).toString('hex')}`
  return { name, value: awkward ? `"\\/+&% ${marker}é<'` : marker }
}

/** `name (form)` of every canary that `bytes` hold. */
export function leaksIn(bytes: Uint8Array | string, canaries: readonly Canary[]): string[] {
  const text = typeof bytes === 'string' ? Buffer.from(bytes).toString('latin1') : Buffer.from(bytes).toString('latin1')
  return canaries.flatMap(({ name, value }) =>
    formsOf(markerOf(value)).flatMap(([form, spelled]) => (text.includes(spelled) ? [`${name} (${form})`] : [])),
  )
}

function formsOf(marker: string): (readonly [form: string, spelled: string])[] {
  const hex = Buffer.from(marker).toString('hex')
  return [
    ['plain', marker],
    ['hex', hex],
    ['hex', hex.toUpperCase()],
    ['UTF-16', Buffer.from(marker, 'utf16le').toString('latin1')],
    ...[0, 1, 2].map(offset => ['base64', base64At(marker, offset)] as const),
  ]
}

/** The characters of base64 that depend on nothing but the marker, where it begins `offset` bytes after a group of three. */
function base64At(marker: string, offset: number): string {
  const before = 'x'.repeat(offset)
  const encoded = Buffer.from(`${before}${marker}`).toString('base64').replaceAll('=', '')
  return encoded.slice(offset === 0 ? 0 : offset + 1, Math.floor(((offset + marker.length) * 8) / 6))
}

function markerOf(value: string): string {
  const [marker] = /cnry[0-9a-f]{18}/.exec(value) ?? []
  if (marker === undefined) throw new Error('A canary holds a marker')
  return marker
}
