// Whether others than this machine reach a port, and whether that was meant: what goes over a network is secured, or a proxy in front
// does it. Judged by what the address is, not by how it is spelt, before a port is open.

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Finding } from '../schema/finding.ts'
import { isLoopback } from '../schema/network.ts'
import type { Listen } from '../schema/server.ts'

/** All addresses of a name; rejects where it has none. */
export type Lookup = (name: string) => Promise<readonly string[]>

export async function exposureOf(listen: Listen, addressesOf: Lookup = systemLookup): Promise<readonly Finding[]> {
  if (listen.behindProxy) return []
  const findings: Finding[] = []
  for (const name of ['channels', 'admin'] as const) {
    if (listen.tls[name] !== null) continue
    const { host } = listen[name]
    const reached = await reachedAt(host, addressesOf)
    if (reached === null) continue
    const field = name === 'admin' ? '"listen.tls" or "listen.adminTls"' : '"listen.tls"'
    findings.push({
      code: 'INVALID_VALUE',
      message: `Cannot use the address of "listen.${name}" as ${reached}, and what goes over a network in plain text can be read and changed on its way: secure it by ${field}, say "listen.behindProxy: true" where a proxy in front ends TLS, or listen on 127.0.0.1`,
      pointer: `/listen/${name}`,
    })
  }
  return findings
}

/** How others reach `host`; null where only this machine does. Names and short spellings are what the system makes of them. */
async function reachedAt(host: string, addressesOf: Lookup): Promise<string | null> {
  if (isIP(host) !== 0) return isLoopback(host) ? null : 'other machines reach it'
  try {
    const addresses = await addressesOf(host)
    const outside = addresses.find(address => !isLoopback(address))
    return outside === undefined ? null : `it resolves to ${outside}, which other machines reach`
  } catch {
    return 'it does not resolve to an address of this machine alone'
  }
}

const systemLookup: Lookup = async name => (await lookup(name, { all: true })).map(({ address }) => address)
