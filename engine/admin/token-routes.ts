// The routes of people and their tokens. Whoever may make tokens makes none that may do more than they may.

import { Refusal } from './port.ts'
import { roles } from './role.ts'
import { type Call, environmentPrefix, json, maxBodyBytes, object, type Row, textIn } from './route.ts'
import { type Scope, scopes } from './scope.ts'
import { defaultExpiry, type TokenRequest } from './tokens.ts'

const name = {
  type: 'string',
  pattern: '^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$',
  description: 'Letters, digits, ".", "_", "@" and "-", 63 at most',
}
const expires = {
  type: 'string',
  pattern: '^(?:never|[1-9][0-9]{0,5}[mhd])$',
  default: defaultExpiry,
  description: 'Minutes, hours or days up to a year, such as "30d", or "never"',
}

export const rows: readonly Row[] = [
  {
    id: 'whoami',
    method: 'GET',
    path: `${environmentPrefix}/whoami`,
    summary: 'Who the server takes the caller for',
    role: 'viewer',
    scope: null,
    answer: json('{ name, via, role, scopes, token, address }'),
    run: async ({ actor }) => ({ ...actor }),
  },
  {
    id: 'listTokens',
    method: 'GET',
    path: `${environmentPrefix}/tokens`,
    summary: 'The tokens there are and were; never their text',
    role: 'admin',
    scope: 'tokens',
    answer: json('{ tokens, first }'),
    run: async (_call, { tokens }) => ({ tokens: (await tokens.list()).map(row => ({ ...row })), first: tokens.waiting() }),
  },
  {
    id: 'createToken',
    method: 'POST',
    path: `${environmentPrefix}/tokens`,
    summary: 'Makes a token and tells its text, this once; one that may do no more than who makes it',
    role: 'admin',
    scope: 'tokens',
    body: {
      schema: object(
        {
          name,
          role: { type: 'string', enum: [...roles] },
          scopes: { type: 'array', items: { type: 'string', enum: [...scopes] }, uniqueItems: true, maxItems: scopes.length, default: [] },
          expires,
        },
        ['name', 'role'],
      ),
      maxBytes: maxBodyBytes,
    },
    answer: json('{ token, id, name, role, scopes, expiresAt }'),
    audit: {
      target: ({ body }) => String(body.name),
      detail: ({ body }) => ({ role: body.role ?? null, scopes: body.scopes ?? [], expires: body.expires ?? null }),
    },
    run: async (call, { tokens }) => ({ ...(await tokens.create(requestIn(call), call.actor)) }),
  },
  {
    id: 'revokeToken',
    method: 'DELETE',
    path: `${environmentPrefix}/tokens/{id}`,
    summary: 'Ends a token: its next request is refused and its event streams are cut',
    role: 'admin',
    scope: 'tokens',
    answer: json('{ revoked }'),
    async run({ params, actor }, { tokens }) {
      await tokens.revoke(String(params.id), actor)
      return { revoked: String(params.id) }
    },
  },
  {
    id: 'resetFirstToken',
    method: 'POST',
    path: `${environmentPrefix}/tokens/first`,
    summary: 'Voids the token of the first start and makes another, which can be exchanged once; over the socket alone',
    role: 'admin',
    scope: 'tokens',
    answer: json('{ token }'),
    async run({ actor }, { tokens }) {
      // What it is exchanged for may do everything, so a token that is narrowed must not get there.
      if (actor.via !== 'socket')
        throw new Refusal(
          403,
          'FORBIDDEN',
          'Cannot make a first token as it was asked for with a token: the socket in the data directory is accepted',
        )
      return { token: await tokens.resetFirst(actor) }
    },
  },
  {
    id: 'exchangeToken',
    method: 'POST',
    path: '/api/v1/tokens/exchange',
    summary: 'Exchanges the token of the first start for one of an admin, once',
    role: 'first',
    scope: null,
    body: { schema: object({ name: { ...name, default: 'admin' }, expires }), maxBytes: maxBodyBytes },
    answer: json('{ token, id, name, role, scopes, expiresAt }'),
    audit: { target: ({ body }) => String(body.name), detail: ({ body }) => ({ expires: body.expires ?? null }) },
    run: async ({ body, actor }, { tokens }) => ({
      ...(await tokens.exchange({ name: String(body.name), expires: String(body.expires) }, actor)),
    }),
  },
]

function requestIn({ body }: Call): TokenRequest {
  const role = roles.find(known => known === body.role)
  // The schema lets in nothing else.
  if (role === undefined) throw new Error('A token has a role')
  const asked = Array.isArray(body.scopes) ? body.scopes : []
  const narrowed: readonly Scope[] = scopes.filter(scope => asked.includes(scope))
  return { name: String(body.name), role, scopes: narrowed, expires: textIn(body, 'expires').expires ?? defaultExpiry }
}
