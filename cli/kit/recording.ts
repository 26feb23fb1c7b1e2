// Answers of REST connections as a file: taken down from the real far end once, answered again ever after. Nothing that may be a secret
// is kept: no header of a request, few of an answer, and the values of secrets are struck out wherever they stand.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { redact } from '../../adapters/redact.ts'
import type { Secret } from '../../schema/secret.ts'
import type { RestCall } from './test-api.ts'

/** One exchange, as the file has it. */
export interface Recorded {
  readonly request: Pick<RestCall, 'method' | 'path' | 'query' | 'body'>
  readonly reply: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body?: unknown
    readonly text?: string
  }
}

type Exchanges = Readonly<Record<string, readonly Recorded[]>>

const keptHeaders = new Set(['content-type', 'etag', 'link', 'location', 'retry-after'])
const struckOut = /token|secret|password|authorization|api[-_]?key|cookie/i

export class Recorder {
  readonly #path: string
  readonly #exchanges = new Map<string, Recorded[]>()
  readonly #secrets: Iterable<Secret>

  /** @param secrets whose values are struck out */
  constructor(path: string, secrets: Iterable<Secret>) {
    this.#path = path
    this.#secrets = secrets
  }

  add(
    { connection, method, path, query, body }: RestCall,
    reply: { status: number; headers: Readonly<Record<string, string>>; text: string },
  ): void {
    const headers = Object.fromEntries(Object.entries(reply.headers).filter(([name]) => keptHeaders.has(name)))
    const exchange = { request: { method, path, query, body }, reply: { status: reply.status, headers, ...bodyOf(reply.text) } }
    this.#exchanges.set(connection, [...(this.#exchanges.get(connection) ?? []), exchange])
  }

  async save(): Promise<void> {
    const clean = (key: string, value: unknown) => {
      if (typeof value === 'string') return struckOut.test(key) ? '***' : redact(value, this.#secrets)
      return value
    }
    await mkdir(dirname(this.#path), { recursive: true })
    await writeFile(this.#path, `${JSON.stringify({ connections: Object.fromEntries(this.#exchanges) }, clean, 2)}\n`)
  }
}

/** @throws where the file is not there, or is no recording */
export async function readRecording(path: string): Promise<Exchanges> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new Error(`Cannot replay "${path}" as it cannot be read: createApp({ record: … }) writes it`, { cause })
  }
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed === 'object' && parsed !== null && 'connections' in parsed && typeof parsed.connections === 'object')
    return parsed.connections as Exchanges // `save` wrote it
  throw new Error(`Cannot replay "${path}" as it is no recording: createApp({ record: … }) writes one`)
}

function bodyOf(text: string): { body?: unknown; text?: string } {
  if (text === '') return {}
  try {
    return { body: JSON.parse(text) }
  } catch {
    return { text } // an answer that is no JSON is kept as it is
  }
}
