// A build under test writes its number in two places: a header that comes from YAML and a body that comes from code. An answer
// in which they differ was made by two generations.

export interface StampedAnswer {
  readonly status: number
  readonly contentType: string
  readonly text: string
}

export type Verdict =
  /** `pid`: of the process that answered, where it says so. */
  | { readonly kind: 'whole'; readonly stamp: number; readonly pid: number | null }
  | { readonly kind: 'mixed'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

/** @param echo what the request carried; the answer must carry it as well */
export function judge({ status, contentType, text }: StampedAnswer, echo: number): Verdict {
  if (status !== 200) return { kind: 'failed', reason: `status ${status}: ${text.slice(0, 500)}` }
  const header = /^application\/vnd\.stamp-(\d+)\+json/.exec(contentType)?.[1]
  let body: { readonly stamp?: unknown; readonly echo?: unknown; readonly pid?: unknown }
  try {
    body = JSON.parse(text)
  } catch {
    return { kind: 'failed', reason: `a body that is not JSON: ${text.slice(0, 500)}` }
  }
  if (body.echo !== echo) return { kind: 'failed', reason: `the answer to ${body.echo} instead of the one to ${echo}` }
  if (header === undefined || String(body.stamp) !== header)
    return { kind: 'mixed', reason: `${contentType} around a body of ${body.stamp}` }
  return { kind: 'whole', stamp: Number(header), pid: typeof body.pid === 'number' ? body.pid : null }
}

export const contentTypeOf = (stamp: number) => `application/vnd.stamp-${stamp}+json`
