// What goes into a line of the log is looked through once: what stands under a name that credentials stand under is left out, at any depth,
// and so are credentials that are known by their form in a text. What is too large is cut, so that no line grows with what it tells of.

import { pino } from 'pino'

const maxTextLength = 16_384
const maxDepth = 8
/** Values of one line, all depths together. */
const maxValues = 2_000
const maxItems = 100
const hidden = '***'

/** Fields as a line may have them: plain data, cleaned. Calls getters and `toJSON`, which may throw. */
export function cleanFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return cleanEntries(fields, { left: maxValues, depth: 0 })
}

/** A text without what is known to be a credential by its form, cut where it is long. */
export function cleanText(text: string): string {
  const cut = text.length > maxTextLength ? `${text.slice(0, maxTextLength)}… (${text.length} characters)` : text
  const schemes = /bearer|basic/i.test(cut) ? cut.replace(schemePattern, `$1 ${hidden}`) : cut
  return schemes.includes('://') && schemes.includes('@') ? schemes.replace(userPattern, `$1:${hidden}@`) : schemes
}

/** Whether credentials stand under this name: `password`, `client_secret`, `accessToken`, `Set-Cookie`, `X-Auth-User`, … */
export function isSecretName(name: string): boolean {
  if (name.length > 64) return false
  const plain = name.replace(/[-_. ]/g, '').toLowerCase()
  return secretEnding.test(plain) || plain.startsWith('xauth') || plain === 'auth'
}

const secretEnding =
  /(?:password|passwd|passphrase|pwd|secret|token|authorization|cookie|cookies|apikey|accesskey|privatekey|signingkey|decryptionkey|sealkey|credential|credentials|sessionid)$/
/** A word of prose is no credential: one has a digit or padding in it. */
const schemePattern = /\b(bearer|basic)\s+(?=\S*[0-9=])[\w+/.=~-]{8,}/gi
const userPattern = /([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi

interface Budget {
  left: number
  readonly depth: number
}

function cleanEntries(from: object, budget: Budget): Record<string, unknown> {
  const clean: Record<string, unknown> = {}
  const named = nameIn(from)
  for (const [name, value] of Object.entries(from)) {
    if (value === undefined || typeof value === 'function' || typeof value === 'symbol') continue
    if (budget.left-- <= 0) {
      clean['…'] = 'more'
      break
    }
    const isHidden = isSecretName(name) || (name === 'value' && named !== null && isSecretName(named))
    clean[name] = isHidden && value !== null && typeof value !== 'boolean' ? hidden : cleanValue(value, budget)
  }
  return clean
}

/** The name in a pair such as `{ key: 'Authorization', value: … }`. */
function nameIn(pair: object): string | null {
  const name = 'key' in pair ? pair.key : 'name' in pair ? pair.name : null
  return typeof name === 'string' ? name : null
}

function cleanValue(value: unknown, budget: Budget): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (budget.depth >= maxDepth) return Array.isArray(value) ? '[Array]' : '[Object]'
  const inner: Budget = {
    get left() {
      return budget.left
    },
    set left(left) {
      budget.left = left
    },
    depth: budget.depth + 1,
  }
  if (Array.isArray(value)) return cleanItems(value, inner)
  if (value instanceof Error) return cleanEntries(pino.stdSerializers.err(value), inner)
  if ('toJSON' in value && typeof value.toJSON === 'function') return cleanValue(value.toJSON(), inner)
  return cleanEntries(value, inner)
}

/** In a list of names and values in turn, such as the raw headers of Node, a value is known by the name before it. */
function cleanItems(items: readonly unknown[], budget: Budget): unknown[] {
  const clean: unknown[] = []
  for (const [at, item] of items.slice(0, maxItems).entries()) {
    if (budget.left-- <= 0) break
    const before = items[at - 1]
    clean.push(typeof before === 'string' && typeof item === 'string' && isSecretName(before) ? hidden : cleanValue(item, budget))
  }
  if (clean.length < items.length) clean.push(`… ${items.length - clean.length} more`)
  return clean
}
