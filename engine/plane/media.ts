// Which bodies are read, by the type they announce. `curl -d` announces a form whatever it sends, so a form is given a chance to be JSON.

import type { RequestHead } from './request-head.ts'

/** Why a body of this type is not read; null where it is. */
export function mediaProblem({ contentType, contentEncoding }: RequestHead): string | null {
  if (contentEncoding !== null && contentEncoding.toLowerCase() !== 'identity')
    return 'Cannot read the body as it is compressed; send it as it is'
  if (contentType === null || isJsonType(contentType) || isFormType(contentType)) return null
  return 'Cannot read the body as its type is not served; the accepted type is application/json'
}

/** Whether a body that is no JSON was a form in truth, and not JSON with a slip in it. */
export function isForm(contentType: string | null, body: Buffer): boolean {
  return contentType !== null && isFormType(contentType) && !/^\s*[[{"]/.test(body.toString('latin1', 0, 64))
}

/** JSON in UTF-8, `application/problem+json` and its like included. */
export function isJsonType(contentType: string): boolean {
  return contentType === 'application/json' || jsonGrammar.test(contentType)
}

function isFormType(contentType: string): boolean {
  return contentType === 'application/x-www-form-urlencoded' || formGrammar.test(contentType)
}

const charset = /\s*(?:;\s*charset="?utf-?8"?\s*)?;?\s*$/
const jsonGrammar = new RegExp(`^(?:application|text)/(?:[\\w!#$&^.+-]+\\+)?json${charset.source}`, 'i')
const formGrammar = new RegExp(`^application/x-www-form-urlencoded${charset.source}`, 'i')
