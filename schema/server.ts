// plumb.yaml, typed: what the operator decides about one server, outside the estate.

import { createReader } from './document.ts'
import { maxDeletesOf } from './environment.ts'
import type { Finding } from './finding.ts'
import type { PlumbYaml, Tls } from './generated/server.ts'
import type { JsonObject } from './json.ts'
import { networkOf } from './network.ts'
import type { Floors } from './policy.ts'
import schema from './server.json' with { type: 'json' }

export interface Address {
  readonly host: string
  readonly port: number
}

/** How one listener is secured. Plain data. */
export interface TlsConfig {
  readonly cert: string
  readonly key: string
  /** Null: nobody can sign a client. */
  readonly clientCa: string | null
  /** request: a client may come without a certificate, but not with one that does not verify. */
  readonly clientAuth: 'off' | 'request' | 'require'
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
}

export interface Listen {
  readonly channels: Address
  readonly admin: Address
  /** Null: plain HTTP. */
  readonly tls: { readonly channels: TlsConfig | null; readonly admin: TlsConfig | null }
  readonly behindProxy: boolean
  /** Each an address or a network, as `networkOf` reads it. */
  readonly trustedProxies: readonly string[]
}

export interface ServerConfig {
  readonly environment: string
  readonly source: { readonly git: string; readonly ref: string; readonly allowLocal: boolean }
  readonly listen: Listen
  readonly data: string
  /** `seal` is the path of the key file; null: the default place. */
  readonly keys: { readonly seal: string | null }
  readonly policy: Floors
  /** `access`: whether each request is a line; `level`: the least that is written. */
  readonly logs: { readonly access: boolean; readonly level: 'debug' | 'info' | 'warn' | 'error' }
  /** Whether an admin may attach a debugger to the workers, through the admin API. */
  readonly debug: { readonly allow: boolean }
  /** Null: decided by the number of processors. */
  readonly workers: number | null
}

export interface ReadServerConfig {
  readonly config: ServerConfig
  readonly findings: readonly Finding[]
}

/** Reads a parsed plumb.yaml. Never throws; a field with a finding counts as absent. Paths stay as written. */
export function readServerConfig(declared: JsonObject): ReadServerConfig {
  const read = readDeclared(declared)
  const findings = [...read.findings]
  // checked against the schema its type is generated from; what did not fit was taken out
  const document = read.document as Partial<PlumbYaml>
  const git = document.source?.git ?? ''
  const allowLocal = document.source?.allowLocal ?? false
  if (isLocalSource(git) && !allowLocal) findings.push(localSource)
  const maxDeletes = maxDeletesOf(document.policy?.maxDeletes)
  const { requireSecurity, prune } = document.policy ?? {}
  return {
    config: {
      environment: document.environment ?? '',
      source: { git, ref: document.source?.ref ?? 'main', allowLocal },
      listen: readListen(document.listen ?? {}, findings),
      data: document.data ?? '.plumb',
      keys: { seal: document.keys?.seal ?? null },
      policy: {
        ...(requireSecurity === undefined ? {} : { requireSecurity }),
        ...(prune === undefined ? {} : { prune }),
        ...(maxDeletes === undefined ? {} : { maxDeletes }),
      },
      logs: { access: document.logs?.access ?? true, level: document.logs?.level ?? 'info' },
      debug: { allow: document.debug?.allow ?? false },
      workers: document.workers ?? null,
    },
    findings,
  }
}

const readDeclared = createReader(schema)

/** Whether a git URL names a path of this machine: anything but `scheme://…` of a network protocol and `host:path` of SSH. */
export function isLocalSource(git: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(git)) return /^file:/i.test(git)
  return git !== '' && !/^(?:[^\s/@]+@)?(?:[^\s/:@]{2,}|\[[0-9a-f:]+\]):(?!:)/i.test(git)
}

const localSource: Finding = {
  code: 'INVALID_VALUE',
  message: 'Cannot use "source.git" as it names a path on this machine; set "source.allowLocal: true" where that is meant',
  pointer: '/source/git',
}

function readListen(listen: NonNullable<PlumbYaml['listen']>, findings: Finding[]): Listen {
  const tls = readTls('tls', listen.tls, findings)
  return {
    channels: readAddress('channels', listen.channels ?? '127.0.0.1:17010', findings),
    admin: readAddress('admin', listen.admin ?? '127.0.0.1:8183', findings),
    tls: { channels: tls, admin: readTls('adminTls', listen.adminTls, findings) ?? tls },
    behindProxy: listen.behindProxy ?? false,
    trustedProxies: (listen.trustedProxies ?? []).filter((text, at) => {
      const network = networkOf(text)
      if ('problem' in network)
        findings.push({
          code: 'INVALID_VALUE',
          message: `Cannot use an item of "listen.trustedProxies" as ${network.problem}: an address or a network such as 10.0.0.0/8 is accepted`,
          pointer: `/listen/trustedProxies/${at}`,
        })
      return !('problem' in network)
    }),
  }
}

function readTls(name: 'tls' | 'adminTls', tls: Partial<Tls> | undefined, findings: Finding[]): TlsConfig | null {
  if (tls?.cert === undefined || tls.key === undefined) return null
  const { cert, key, clientCa = null, minVersion = 'TLSv1.2' } = tls
  const clientAuth = tls.clientAuth ?? (clientCa === null ? 'off' : 'require')
  if (clientAuth !== 'off' && clientCa === null) {
    const reason = 'nothing says who signs clients: add "clientCa"'
    findings.push({
      code: 'MISSING_FIELD',
      message: `Cannot use "listen.${name}.clientAuth" as ${reason}`,
      pointer: `/listen/${name}/clientAuth`,
    })
  }
  return { cert, key, clientCa, clientAuth, minVersion }
}

function readAddress(name: 'channels' | 'admin', text: string, findings: Finding[]): Address {
  const colon = text.lastIndexOf(':')
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '')
  const port = Number(text.slice(colon + 1))
  const pointer = `/listen/${name}`
  if (port > 65_535)
    findings.push({ code: 'INVALID_VALUE', message: `Cannot use the port of "listen.${name}": accepted is 0 to 65535`, pointer })
  return { host, port }
}
