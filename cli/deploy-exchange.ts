// One deploy on its way: what the server lacks is sent in parts, then the deploy that names it. Sent again after the link broke, it goes
// on with what is still missing, and a deploy whose answer was lost is answered.

import { createHash, randomBytes } from 'node:crypto'
import type { Changed } from '../reconcile/source/changed.ts'
import { hasCrlf, withLf } from '../reconcile/source/line-ends.ts'
import { blobId } from '../reconcile/source/objects.ts'
import type { Tree } from '../reconcile/source/tree.ts'
import type { JsonObject } from '../schema/json.ts'
import type { AdminClient } from './client.ts'

export interface PreparedDeploy {
  readonly request: JsonObject & { readonly id: string }
  readonly contents: ReadonlyMap<string, Uint8Array>
  /** git's ids by path; null where the file goes. */
  readonly sent: ReadonlyMap<string, string | null>
}

export interface PrepareOptions {
  readonly client: string
  readonly sequence: number
  readonly changes: Changed['changes']
  readonly tree: Tree
  /** An id of the server. */
  readonly like: string | undefined
}

const partBytes = 1_000_000

/** Reads what is sent, with LF where the server has LF or nothing. */
export async function prepareDeploy(server: AdminClient, options: PrepareOptions): Promise<PreparedDeploy> {
  const { client, sequence, changes, tree, like } = options
  const read = await tree.read(changes.filter(({ gone }) => !gone).map(({ path }) => path))
  const windows = changes.filter(({ path, base }) => base !== null && hasCrlf(read.get(path) ?? new Uint8Array())).map(({ path }) => path)
  const answer = windows.length === 0 ? {} : await server.post('deploy/line-ends', { paths: windows })
  const keep = new Set(Array.isArray(answer.crlf) ? answer.crlf.map(String) : [])
  const contents = new Map<string, Uint8Array>()
  const sent = new Map<string, string | null>()
  const files = changes.map(({ path, base, gone }): JsonObject => {
    const text = read.get(path) ?? new Uint8Array()
    const content = keep.has(path) ? text : withLf(text)
    sent.set(path, gone ? null : blobId(content, like?.length === 64 ? 64 : 40))
    if (gone) return { path, digest: null, base }
    const digest = createHash('sha256').update(content).digest('hex')
    contents.set(digest, content)
    return { path, digest, base }
  })
  return { request: { id: randomBytes(12).toString('hex'), client, sequence, files }, contents, sent }
}

/** @throws ServerRefusal, UnreachableError: sent again later it goes on */
export async function sendDeploy(server: AdminClient, { request, contents }: PreparedDeploy, signal: AbortSignal): Promise<JsonObject> {
  if (contents.size > 0) {
    const { missing } = await server.post('deploy/missing', { digests: [...contents.keys()] }, signal)
    const wanted = new Set(Array.isArray(missing) ? missing.map(String) : [])
    for (const part of partsOf([...contents].filter(([digest]) => wanted.has(digest))))
      await server.post('deploy/contents', { contents: part.map(([digest, content]) => ({ digest, base64: base64(content) })) }, signal)
  }
  return server.post('deploy', request, signal)
}

/** Parts of 1 MB at most; a content that is larger is a part of its own. */
function partsOf(contents: readonly (readonly [string, Uint8Array])[]): (readonly (readonly [string, Uint8Array])[])[] {
  const parts: (readonly [string, Uint8Array])[][] = []
  let bytes = 0
  for (const each of contents) {
    bytes += each[1].length
    if (parts.length === 0 || bytes > partBytes) {
      parts.push([])
      bytes = each[1].length
    }
    parts.at(-1)?.push(each)
  }
  return parts
}

function base64(content: Uint8Array): string {
  return Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('base64')
}
