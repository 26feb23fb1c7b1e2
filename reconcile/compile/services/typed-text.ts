// What of a file its types can depend on: all of it but the bodies of handlers whose types are written out. Where nothing else changed,
// neither did any model, and a service that is saved again costs no type checker.

import ts from 'typescript'
import { type Digest, digestOfBytes } from '../../../schema/digest.ts'
import type { FoundService } from './find-services.ts'

/** Equal digests mean equal types, at the same places. */
export function typedDigest(file: ts.SourceFile, services: readonly FoundService[]): Digest {
  const bodies = services.flatMap(service => bodyOf(service) ?? []).sort((a, b) => a.pos - b.pos)
  let text = ''
  let at = 0
  for (const body of bodies) {
    const start = body.getStart(file)
    if (start < at) continue // inside another one
    text += file.text.slice(at, start) + blankOf(file.text.slice(start, body.end))
    at = body.end
  }
  return digestOfBytes(text + file.text.slice(at))
}

/** The body of the handler, where nobody infers a type from it. */
function bodyOf({ call, handle }: FoundService): ts.Node | undefined {
  const body = handle && 'body' in handle ? handle.body : undefined
  if (!handle || !body || !ts.isBlock(body)) return undefined
  const isWithin = handle.pos >= call.pos && handle.end <= call.end
  return handle.type || (call.typeArguments && isWithin) ? body : undefined
}

/** Moves nothing that stands behind it. */
function blankOf(text: string): string {
  const lines = text.split('\n')
  return '\n'.repeat(lines.length - 1) + ' '.repeat(lines.at(-1)?.length ?? 0)
}
