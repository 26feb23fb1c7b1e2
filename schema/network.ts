// Addresses and networks as an operator writes them: `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`.

import { BlockList, isIP } from 'node:net'

export interface Network {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** What `text` names; a problem completes "Cannot … as". */
export function networkOf(text: string): Network | { readonly problem: string } {
  const [address = '', given, ...more] = text.split('/')
  const version = isIP(address)
  if (version === 0 || address.includes('%') || more.length > 0) return { problem: 'it is no address of a network' }
  const bits = version === 4 ? 32 : 128
  const prefix = given === undefined ? bits : Number(given)
  if (given !== undefined && !(/^\d{1,3}$/.test(given) && prefix <= bits)) return { problem: `its prefix is none of 1 to ${bits}` }
  if (prefix === 0) return { problem: 'it is every address, so that everybody could pretend to be anybody' }
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' }
}

/** @param texts each as `networkOf` reads it. @throws TypeError for one that it does not */
export function networksOf(texts: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of texts) {
    const network = networkOf(text)
    if ('problem' in network) throw new TypeError(`Cannot use "${text}" as ${network.problem}`)
    list.addSubnet(network.address, network.prefix, network.family)
  }
  return list
}

/** Whether only this machine reaches `address`; a name is none. */
export function isLoopback(address: string): boolean {
  const version = isIP(address)
  return version !== 0 && loopback.check(address, version === 4 ? 'ipv4' : 'ipv6')
}

const loopback = networksOf(['127.0.0.0/8', '::1'])
