// Who may talk to the API at all, before any credential is looked at: a browser that was talked into it by another site may not.

import type { IncomingMessage } from 'node:http'
import { Refusal } from './port.ts'

/** What the listener knows of a request; absent where none is in between. */
export interface Arrival {
  readonly via: 'socket' | 'tcp'
  readonly incoming: IncomingMessage
}

export interface Surrounded {
  /** The listener is bound to loopback, so that only loopback names are ours. */
  readonly loopback: boolean
  /** A proxy in front may end TLS: a page of ours then has the origin that the proxy shows. */
  readonly behindProxy: boolean
}

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]'])
const maxUrlBytes = 8192
const maxHeaders = 100

/**
 * Refuses what a browser sends on behalf of another site, a name that is not ours (DNS rebinding), and what two readers could read
 * differently.
 * @throws Refusal
 */
export function guard(arrival: Arrival, url: URL, { loopback, behindProxy }: Surrounded): void {
  const { headers, rawHeaders, headersDistinct, url: target = '' } = arrival.incoming
  if (rawHeaders.length > 2 * maxHeaders) throw refused(431, `a request has more than ${maxHeaders} headers`)
  if (Buffer.byteLength(target) > maxUrlBytes) throw refused(414, `a URL is longer than ${maxUrlBytes} bytes`)
  if ((headersDistinct.host?.length ?? 0) > 1) throw refused(400, 'a request has more than one Host header')
  if (target.split('?', 1)[0] !== url.pathname) throw refused(400, 'a path is not in its canonical form')
  if (arrival.via === 'socket') return
  for (const host of [headers.host ?? '', url.host])
    if (loopback && !loopbackNames.has(host.toLowerCase().replace(/:\d+$/, '')))
      throw foreign(`it was addressed to ${JSON.stringify(host.slice(0, 100))}; this server is ${[...loopbackNames].join(', ')}`)
  const { origin } = headers
  const schemes = behindProxy ? [url.protocol, 'https:'] : [url.protocol]
  if (origin !== undefined && !schemes.some(scheme => origin === `${scheme}//${headers.host}`))
    throw foreign(`it comes from the origin ${JSON.stringify(origin.slice(0, 100))}; only pages of this server may call it`)
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw foreign('a page of another site caused it')
}

/** Set on every answer. There are no CORS headers, so that no page of another origin can read one. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

function refused(status: number, why: string): Refusal {
  return new Refusal(status, 'REQUEST_INVALID', `Cannot take the request as ${why}`)
}

function foreign(why: string): Refusal {
  return new Refusal(403, 'REQUEST_FOREIGN', `Cannot take the request as ${why}`)
}
