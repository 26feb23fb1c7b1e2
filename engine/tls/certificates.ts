// The certificates of a server's listeners, held by control alone: it reads the files, judges them and hands what is good to whoever
// serves. What is bad changes nothing but a condition. Files of a renewal may change one after the other, so what does not fit together
// is looked at again before it counts as wrong. The last good one is kept sealed, so that a control process that starts anew while the
// files are bad serves on with it.

import { randomBytes } from 'node:crypto'
import { readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../adapters/port.ts'
import type { SealKey } from '../../schema/seal.ts'
import type { TlsConfig } from '../../schema/server.ts'
import { writeAside } from '../generation/durable.ts'
import type { Condition } from '../generation/engine.ts'
import { type Judgement, readCredentials, validityOf } from './credentials.ts'
import type { Credentials, Served } from './secure-server.ts'

export type Listener = 'channels' | 'admin'

export interface CertificatesOptions {
  /** Null: the listener speaks plain HTTP. */
  readonly configs: Readonly<Record<Listener, TlsConfig | null>>
  readonly dataDirectory: string
  /** Null: the last good one is not kept. */
  readonly sealKey: SealKey | null
  readonly clock: Clock
  readonly announce: (type: string, body: Readonly<Record<string, string>>) => void
  readonly signal: AbortSignal
}

export interface Certificates {
  /** What `listener` serves; null where it speaks plain HTTP. */
  served(listener: Listener): Served | null
  /** `take` is called at once, and with every change; never where the listener speaks plain HTTP. */
  follow(listener: Listener, take: (served: Served) => void): void
  /** None where nothing is served by TLS. */
  conditions(): readonly Condition[]
}

/** No start helps before somebody has changed the files. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError'
}

/** How often the files are looked at. */
const lookMs = 1_000
/** A renewal that takes longer to write its files counts as wrong until it has. */
const settleMs = 5_000
const dayMs = 86_400_000
/** Before the end of a certificate that a warning begins, or with a third of its life left, where that is less. */
const warnMs = 14 * dayMs

/** @throws CertificateError where the files are bad and none is kept */
export async function openCertificates(options: CertificatesOptions): Promise<Certificates> {
  const { configs, clock, signal } = options
  const { channels, admin } = configs
  const held: Partial<Record<Listener, Certificate>> = {}
  if (channels) held.channels = await openCertificate('channels', channels, options)
  if (admin) held.admin = isDeepStrictEqual(admin, channels) ? held.channels : await openCertificate('admin', admin, options)
  const all = [...new Set(Object.values(held))]
  void (async () => {
    while (!signal.aborted) {
      await clock.sleep(lookMs, signal).catch(() => undefined) // rejects with the signal's reason alone
      for (const certificate of all) await certificate.look()
    }
  })()
  return {
    served: listener => held[listener]?.served ?? null,
    follow(listener, take) {
      const certificate = held[listener]
      if (certificate === undefined) return
      certificate.followers.add(take)
      take(certificate.served)
    },
    conditions: () => merged(all),
  }
}

/** One of each type: that of the first certificate for which it holds. */
function merged(all: readonly Certificate[]): readonly Condition[] {
  return (['CertificateInvalid', 'CertificateExpiring'] as const).flatMap(type => {
    const found = all.map(certificate => certificate.conditions[type])
    return found.find(({ status }) => status) ?? found.slice(0, 1)
  })
}

async function openCertificate(listener: Listener, config: TlsConfig, options: CertificatesOptions): Promise<Certificate> {
  const before = await signatureOf(config)
  const judgement = await readCredentials(config, options.clock.now())
  const keep = keptAt(listener, config, options)
  const certificate = (credentials: Credentials) => new Certificate(config, credentials, { ...options, keep })
  if (judgement.kind === 'good') {
    await keep.write(judgement.credentials)
    return certificate(judgement.credentials).taken(before)
  }
  const kept = await keep.read()
  if (kept === null) throw new CertificateError(`Cannot serve by TLS as ${judgement.why}`)
  const held = certificate(kept)
  held.refuse(judgement)
  return held
}

class Certificate {
  readonly followers = new Set<(served: Served) => void>()
  served: Served
  conditions: Record<'CertificateInvalid' | 'CertificateExpiring', Condition>
  readonly #config: TlsConfig
  readonly #options: CertificatesOptions & { readonly keep: Keep }
  /** Of the files that `served` was read from. */
  #signature = ''
  #suspectedAt: number | null = null

  constructor(config: TlsConfig, credentials: Credentials, options: CertificatesOptions & { readonly keep: Keep }) {
    this.#config = config
    this.#options = options
    this.served = withTickets(credentials)
    const since = new Date(options.clock.now()).toISOString()
    this.conditions = {
      CertificateInvalid: { type: 'CertificateInvalid', status: false, reason: 'AsConfigured', since },
      CertificateExpiring: { type: 'CertificateExpiring', status: false, reason: 'NotSoon', since },
    }
    this.#judgeAge(null)
  }

  taken(signature: string): this {
    this.#signature = signature
    return this
  }

  /** Never rejects. */
  async look(): Promise<void> {
    const signature = await signatureOf(this.#config)
    if (signature === this.#signature) {
      // The files are again those that are served.
      this.#suspectedAt = null
      return this.#judgeAge(null)
    }
    const now = this.#options.clock.now()
    const judgement = await readCredentials(this.#config, now)
    if (judgement.kind === 'good') {
      this.#signature = signature
      this.#suspectedAt = null
      await this.#take(judgement.credentials)
      return this.#judgeAge(null)
    }
    this.#suspectedAt ??= now
    if (now - this.#suspectedAt >= settleMs) this.refuse(judgement)
  }

  refuse(judgement: Judgement & { readonly kind: 'bad' }): void {
    this.#judgeAge(judgement)
  }

  async #take(credentials: Credentials): Promise<void> {
    const { ticketKeys: _, ...served } = this.served
    if (isDeepStrictEqual(credentials, served)) return
    this.served = withTickets(credentials)
    for (const take of this.followers) take(this.served)
    const until = new Date(validityOf(credentials).to).toISOString()
    this.#options.announce('certificate.renewed', { reason: `${this.#config.cert} is served, until ${until}` })
    await this.#options.keep.write(credentials)
  }

  /** Sets both conditions, by what is wrong with the files and by how old what is served is. */
  #judgeAge(bad: (Judgement & { readonly kind: 'bad' }) | null): void {
    const { from, to } = validityOf(this.served)
    const now = this.#options.clock.now()
    const until = new Date(to).toISOString()
    const { cert } = this.#config
    if (bad !== null) this.#set('CertificateInvalid', bad.fault, `${bad.why}; the one before is served on, until ${until}`)
    else if (now >= to) this.#set('CertificateInvalid', 'Expired', `the certificate in ${cert} expired at ${until}; it is served on`)
    else this.#set('CertificateInvalid', 'AsConfigured', null)
    const isEnding = now < to && to - now < Math.min(warnMs, (to - from) / 3)
    if (isEnding) this.#set('CertificateExpiring', 'ExpiresSoon', `the certificate that is served expires at ${until}; renew ${cert}`)
    else this.#set('CertificateExpiring', 'NotSoon', null)
  }

  /** A change is told once. */
  #set(type: 'CertificateInvalid' | 'CertificateExpiring', reason: string, message: string | null): void {
    const { clock, announce } = this.#options
    const before = this.conditions[type]
    if (before.reason === reason && (before.message ?? null) === message) return
    const status = message !== null
    const since = before.reason === reason ? before.since : new Date(clock.now()).toISOString()
    this.conditions = { ...this.conditions, [type]: { type, status, reason, since, ...(message === null ? {} : { message }) } }
    const [wrong, right] = type === 'CertificateInvalid' ? ['certificate.invalid', 'certificate.valid'] : ['certificate.expiring', null]
    if (message !== null) announce(wrong, { code: reason, reason: message })
    else if (right !== null) announce(right, { reason: `${this.#config.cert} is served as configured` })
  }
}

function withTickets(credentials: Credentials): Served {
  return { ...credentials, ticketKeys: randomBytes(48).toString('base64') }
}

/** Changes with the files, also where a link to a directory of them is moved. */
async function signatureOf({ cert, key, clientCa }: TlsConfig): Promise<string> {
  const parts = await Promise.all([cert, key, ...(clientCa === null ? [] : [clientCa])].map(fileSignature))
  return parts.join(' ')
}

async function fileSignature(path: string): Promise<string> {
  try {
    const { dev, ino, size, mode, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mode, mtimeNs, ctimeNs].join(':')
  } catch {
    return 'none' // why is for the judgement to say
  }
}

interface Keep {
  /** Null where none is kept for this configuration. */
  read(): Promise<Credentials | null>
  write(credentials: Credentials): Promise<void>
}

function keptAt(listener: Listener, config: TlsConfig, { dataDirectory, sealKey, announce }: CertificatesOptions): Keep {
  const path = join(dataDirectory, `tls-${listener}.sealed`)
  // Of other files it is none.
  const context = `tls ${JSON.stringify(config)}`
  return {
    async read() {
      if (sealKey === null) return null
      try {
        return JSON.parse(sealKey.unseal(await readFile(path, 'utf8'), context).reveal()) as Credentials // as written below
      } catch {
        return null // the first start, another configuration or another key: none is kept
      }
    },
    async write(credentials) {
      if (sealKey === null) return
      try {
        await writeAside(`${path}.tmp`, file => file.writeFile(sealKey.seal(JSON.stringify(credentials), context)))
        await rename(`${path}.tmp`, path)
      } catch (error) {
        announce('certificate.unkept', { reason: (error as NodeJS.ErrnoException).code ?? String(error) }) // what fs throws
      }
    },
  }
}
