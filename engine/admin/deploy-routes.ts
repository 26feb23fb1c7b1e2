// Routes of deploys: what an editor sends to the server. Contents travel first, by digest and in parts, so that a link that breaks costs
// one part; the deploy that names them is one request, which does all of it or nothing and may be sent again.

import { createHash } from 'node:crypto'
import { isObject, type JsonObject } from '../../schema/json.ts'
import type { DeployRequest } from './deploys.ts'
import { Refusal } from './port.ts'
import { environmentPrefix, json, maxBodyBytes, object, type Row } from './route.ts'

// A content has 16 MB at most (a lockfile), and base64 makes four thirds of it.
const maxContentsBytes = 24_000_000
const maxManifestBytes = 8_000_000

const token = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{7,63}$', description: 'Letters, digits, "_" and "-", 8 to 64 of them' }
const digest = { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'A SHA-256 in 64 hex digits' }
const blob = { type: 'string', pattern: '^(?:[0-9a-f]{40}|[0-9a-f]{64})$', description: 'A blob id of git' }
const path = { type: 'string', minLength: 1, maxLength: 1024 }
const orNull = (schema: JsonObject): JsonObject => ({ oneOf: [schema, { type: 'null' }], description: `${schema.description}, or null` })
const list = (items: JsonObject): JsonObject => ({ type: 'array', maxItems: 20_000, items })

export const deployRows: readonly Row[] = [
  {
    id: 'deployState',
    method: 'GET',
    path: `${environmentPrefix}/deploy`,
    summary: 'The files that a deploy is compared with, the layers over them, and whether deploys are accepted',
    role: 'viewer',
    scope: 'deploy',
    query: object({ client: token }),
    answer: json('{ kind, accepts, revision, files, layers, sequence }'),
    run: ({ query }, { deploys }) => deploys.state(typeof query.client === 'string' ? query.client : null),
  },
  {
    id: 'deploy',
    method: 'POST',
    path: `${environmentPrefix}/deploy`,
    summary: 'Makes files whose contents were sent live, all of them or none; the same id again answers what it answered',
    role: 'deployer',
    scope: 'deploy',
    body: {
      schema: object(
        {
          id: token,
          client: token,
          sequence: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'Rises with every deploy of a client' },
          files: list(object({ path, digest: orNull(digest), base: orNull(blob) }, ['path', 'digest', 'base'])),
        },
        ['id', 'client', 'sequence', 'files'],
      ),
      maxBytes: maxManifestBytes,
    },
    answer: json('{ outcome, repeated }'),
    audit: { target: ({ body }) => String(body.id), detail: ({ body }) => ({ client: String(body.client), files: countOf(body.files) }) },
    run: ({ body, actor }, { deploys }) => deploys.deploy(requestIn(body), actor),
  },
  {
    id: 'deployMissing',
    method: 'POST',
    path: `${environmentPrefix}/deploy/missing`,
    summary: 'Which contents the server does not have yet',
    role: 'deployer',
    scope: 'deploy',
    body: { schema: object({ digests: list(digest) }, ['digests']), maxBytes: maxManifestBytes },
    answer: json('{ missing }'),
    run: ({ body }, { deploys }) => deploys.missing(textsIn(body.digests)),
  },
  {
    id: 'deployLineEnds',
    method: 'POST',
    path: `${environmentPrefix}/deploy/line-ends`,
    summary: 'Which files on the server have lines that end with CRLF',
    role: 'deployer',
    scope: 'deploy',
    body: { schema: object({ paths: list(path) }, ['paths']), maxBytes: maxManifestBytes },
    answer: json('{ crlf }'),
    run: ({ body }, { deploys }) => deploys.lineEnds(textsIn(body.paths)),
  },
  {
    id: 'deployContents',
    method: 'POST',
    path: `${environmentPrefix}/deploy/contents`,
    summary: 'Keeps contents for a deploy that will name them; all of them or none',
    role: 'deployer',
    scope: 'deploy',
    body: {
      schema: object({ contents: list(object({ digest, base64: { type: 'string', contentEncoding: 'base64' } }, ['digest', 'base64'])) }, [
        'contents',
      ]),
      maxBytes: maxContentsBytes,
    },
    answer: json('{ kept }'),
    audit: { detail: ({ body }) => ({ contents: countOf(body.contents) }) },
    run: ({ body }, { deploys }) => deploys.keep(contentsIn(body)),
  },
  {
    id: 'deployDrop',
    method: 'POST',
    path: `${environmentPrefix}/deploy/drop`,
    summary: 'Takes deployed files away, so that what git has is live again',
    role: 'deployer',
    scope: 'deploy',
    body: { schema: object({ paths: { ...list(path), description: 'All where it is absent' } }), maxBytes: maxBodyBytes },
    answer: json('{ outcome, dropped }'),
    audit: { detail: ({ body }) => ({ files: body.paths === undefined ? 'all' : countOf(body.paths) }) },
    run: ({ body, actor }, { deploys }) => deploys.drop(body.paths === undefined ? null : textsIn(body.paths), actor),
  },
]

function requestIn(body: JsonObject): DeployRequest {
  return {
    id: String(body.id),
    client: String(body.client),
    sequence: Number(body.sequence),
    files: (Array.isArray(body.files) ? body.files.filter(isObject) : []).map(file => ({
      path: String(file.path),
      digest: file.digest === null ? null : String(file.digest),
      base: file.base === null ? null : String(file.base),
    })),
  }
}

/** @throws Refusal 400 for a content that is not what its digest says: it was cut or garbled on the way, and nothing of the part is kept */
function contentsIn({ contents }: JsonObject): Uint8Array[] {
  return (Array.isArray(contents) ? contents.filter(isObject) : []).map(({ digest: named, base64 }) => {
    const content = new Uint8Array(Buffer.from(String(base64), 'base64'))
    if (createHash('sha256').update(content).digest('hex') === named) return content
    throw new Refusal(
      400,
      'DEPLOY_TRUNCATED',
      `Cannot keep the content ${named} as what arrived has another digest: it was cut or changed on the way; nothing of this part is kept, and it may be sent again`,
    )
  })
}

function countOf(found: unknown): number {
  return Array.isArray(found) ? found.length : 0
}

function textsIn(found: unknown): string[] {
  return Array.isArray(found) ? found.map(String) : []
}
