// Who the client is where proxies stand between: the address nearest to us that no trusted proxy has. What a header says counts only as
// far as those who passed it on are trusted, so it is read from its end (RFC 7239 §5.2, §8.1), and from a peer that is no trusted proxy
// not at all.

import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { networksOf } from '../../schema/network.ts'

export interface ClientAddresses {
  /** The address of who sent the request, or of the last proxy that can be believed; '' where the socket has none. */
  of(request: Pick<IncomingMessage, 'rawHeaders'> & { readonly socket: { readonly remoteAddress?: string | undefined } }): string
  /** Whether `address` is a proxy that speaks for many. */
  isProxy(address: string): boolean
}

/** Of a chain longer than this nobody has use. */
const maxHops = 32

/** @param trusted each as `networkOf` reads it */
export function createClientAddresses(trusted: readonly string[]): ClientAddresses {
  if (trusted.length === 0) return direct
  const networks = networksOf(trusted)
  const isProxy = (address: string): boolean => {
    const version = isIP(address)
    return version !== 0 && networks.check(address, version === 4 ? 'ipv4' : 'ipv6')
  }
  return {
    isProxy,
    of(request) {
      const peer = plain(request.socket.remoteAddress ?? '')
      if (!isProxy(peer)) return peer
      const said = valuesOf(request.rawHeaders)
      const addresses = [
        ...(said.xForwardedFor.length > 0 ? [nearest(peer, said.xForwardedFor.join(',').split(',').map(addressOf), isProxy)] : []),
        ...(said.forwarded.length > 0 ? [nearest(peer, said.forwarded.join(',').split(',').map(forOf), isProxy)] : []),
      ]
      // A proxy that keeps one of the two passes on the other as the client sent it: where they differ neither is believed.
      return addresses.length > 0 && addresses.every(address => address === addresses[0]) ? (addresses[0] ?? peer) : peer
    },
  }
}

const direct: ClientAddresses = {
  of: ({ socket }) => plain(socket.remoteAddress ?? ''),
  isProxy: () => false,
}

/** Goes from the peer away from us, as long as the hop that tells of the next is trusted. */
function nearest(peer: string, chain: readonly (string | null)[], isProxy: (address: string) => boolean): string {
  let last = peer
  for (const address of chain.slice(-maxHops).reverse()) {
    // Hidden, or nonsense: the one who said so is the last that we know.
    if (address === null) return last
    last = address
    if (!isProxy(address)) return address
  }
  return last
}

function valuesOf(raw: readonly string[]): { readonly xForwardedFor: string[]; readonly forwarded: string[] } {
  const said = { xForwardedFor: [] as string[], forwarded: [] as string[] }
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? ''
    if (name.length === 15 && name.toLowerCase() === 'x-forwarded-for') said.xForwardedFor.push(raw[at + 1] ?? '')
    else if (name.length === 9 && name.toLowerCase() === 'forwarded') said.forwarded.push(raw[at + 1] ?? '')
  }
  return said
}

/** `for` of one hop of a Forwarded header; no address has a comma or a semicolon, so quoted strings need no more care than this. */
function forOf(hop: string): string | null {
  const found = hop.split(';').filter(pair => /^\s*for\s*=/i.test(pair))
  const [only = ''] = found
  return found.length === 1 ? addressOf(only.slice(only.indexOf('=') + 1).replaceAll('"', '')) : null
}

/** An address, with a port or not; null where it is none. */
function addressOf(text: string): string | null {
  const host = text.trim()
  const [, inBrackets] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(host) ?? []
  const [, beforePort] = /^(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}$/.exec(host) ?? []
  const address = plain(inBrackets ?? beforePort ?? host)
  return isIP(address) === 0 || address.includes('%') ? null : address
}

/** An IPv4 address in IPv6's clothes as itself, so that nobody counts twice. */
function plain(address: string): string {
  const [, inner] = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address) ?? []
  return inner ?? address.toLowerCase()
}
