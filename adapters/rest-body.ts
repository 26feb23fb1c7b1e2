// Bodies of REST exchanges: what is sent, and what came, decompressed, capped and parsed.

import type { Readable, Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'

export interface SentBody {
  readonly bytes: string | Uint8Array | null
  /** Null where the body says nothing about itself. */
  readonly contentType: string | null
}

export function sentBody(body: unknown): SentBody {
  if (body === undefined || body === null) return { bytes: null, contentType: null }
  if (typeof body === 'string') return { bytes: body, contentType: 'text/plain; charset=utf-8' }
  if (body instanceof Uint8Array) return { bytes: body, contentType: 'application/octet-stream' }
  return { bytes: JSON.stringify(body), contentType: 'application/json' }
}

export const acceptedEncodings = 'gzip, deflate, br'

/** @throws RangeError where the body is larger than `maxBytes`, compressed or not; SyntaxError where JSON is not JSON */
export async function readBody(
  stream: Readable,
  headers: Readonly<Record<string, string>>,
  { maxBytes, expectsJson }: { readonly maxBytes: number; readonly expectsJson: boolean },
): Promise<unknown> {
  const text = new TextDecoder().decode(await collect(stream, decoders(headers['content-encoding']), maxBytes))
  if (text === '') return null
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type === 'application/json' || type.endsWith('+json')) return JSON.parse(text)
  return expectsJson ? parsedOrText(text) : text
}

/** @throws TypeError where a coding is not known */
function decoders(encoding = ''): Transform[] {
  const codings = encoding
    .toLowerCase()
    .split(',')
    .map(coding => coding.trim())
    .filter(coding => coding !== '' && coding !== 'identity')
  return codings.reverse().map(coding => {
    if (coding === 'gzip' || coding === 'x-gzip') return createGunzip()
    if (coding === 'deflate') return createInflate()
    if (coding === 'br') return createBrotliDecompress()
    throw new TypeError(`its content coding is unknown: "${coding}"`)
  })
}

async function collect(stream: Readable, stages: readonly Transform[], maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  let last: Readable = stream
  for (const stage of stages) {
    const source = last
    source.on('error', error => stage.destroy(error))
    last = source.pipe(stage)
  }
  try {
    for await (const chunk of last as AsyncIterable<Uint8Array>) {
      // undici and zlib give bytes where no encoding was set
      size += chunk.byteLength
      if (size > maxBytes) throw new RangeError(`its body is larger than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
  } finally {
    stream.destroy()
    for (const stage of stages) stage.destroy()
  }
  return Buffer.concat(chunks)
}

function parsedOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text // the far end did not say that it is JSON
  }
}
