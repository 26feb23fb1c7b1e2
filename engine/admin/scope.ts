// What a token is for: a scope narrows what its role reaches to groups of routes. Every row states the one it belongs to.

/** In the order of the documentation. A token that names none of them has all. */
export const scopes = [
  'read',
  'invoke',
  'plan',
  'apply',
  'sync',
  'rollback',
  'jobs',
  'work',
  'deploy',
  'debug',
  'logs',
  'metrics',
  'tokens',
  'audit',
] as const

export type Scope = (typeof scopes)[number]
