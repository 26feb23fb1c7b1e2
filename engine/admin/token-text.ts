// What a token looks like: `plumb_<id>_<secret>`. The id is public, so that whoever finds a token in a log can say which one to revoke;
// the secret has 256 bits, so that no slow hash is needed and nobody guesses it.

import { createHash, randomBytes, randomInt } from 'node:crypto'

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz'
const idLength = 12
const form = /^plumb_([0-9a-z]{12})_[A-Za-z0-9_-]{43}$/

/** The id of the token that an installation had before tokens had ids. */
export const legacyId = 'legacy'
const legacyForm = /^plumb_[A-Za-z0-9_-]{43}$/

export function makeToken(): { readonly id: string; readonly text: string; readonly digest: string } {
  const id = Array.from({ length: idLength }, () => alphabet[randomInt(alphabet.length)]).join('')
  const text = `plumb_${id}_${randomBytes(32).toString('base64url')}`
  return { id, text, digest: digestOfToken(text) }
}

/** The id of what is presented; null where it has not the form of a token. */
export function idIn(text: string): string | null {
  return form.exec(text)?.[1] ?? (legacyForm.test(text) ? legacyId : null)
}

/** SHA-256 in hex. Over the whole text, so that a secret is good for its own id alone. */
export function digestOfToken(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
