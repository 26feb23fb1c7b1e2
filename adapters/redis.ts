// Redis through the ioredis client itself. Commands fail at once while there is no connection, so that a caller gets its 503
// instead of waiting; the client keeps trying to connect on its own.

import { Redis } from 'ioredis'
import { failureOf } from './peer.ts'
import type { Adapter, Declared, Surroundings } from './port.ts'

const longestConnectMs = 5_000
const longestRetryMs = 5_000
const keepAliveDelayMs = 10_000
const quitPatienceMs = 1_000

export interface RedisInstance {
  readonly redis: Redis
  readonly place: string
  lastFailure: Error | null
}

export const redisAdapter: Adapter<RedisInstance, Redis> = { prepare, view: ({ redis }) => redis, ping, close }

function prepare({ resource, secrets }: Declared, { random = Math.random }: Surroundings): RedisInstance {
  const { spec, name } = resource
  const password = secrets.get('/password')?.reveal()
  const username = String(spec.username ?? '')
  const redis = new Redis({
    host: String(spec.host),
    port: Number(spec.port ?? 6379),
    db: Number(spec.db ?? 0),
    ...(username !== '' && { username }),
    ...(password !== undefined && { password }),
    lazyConnect: true,
    connectTimeout: Math.min(longestConnectMs, Number(spec.connect_timeout ?? 10) * 1000),
    commandTimeout: Number(spec.timeout ?? 10) * 1000,
    keepAlive: keepAliveDelayMs,
    retryStrategy: attempt => Math.min(longestRetryMs, 250 * 2 ** Math.min(attempt, 10)) * (0.5 + 0.5 * random()),
    enableOfflineQueue: false,
    // A command that was on its way when the connection broke may have been carried out; sending it again is its author's decision.
    autoResendUnfulfilledCommands: false,
    connectionName: `plumb-${name}`.replace(/[^!-~]/g, '-').slice(0, 63),
  })
  const user = username === '' ? '' : `user "${username}" at `
  const instance: RedisInstance = { redis, place: `${user}${String(spec.host)}:${String(spec.port ?? 6379)}`, lastFailure: null }
  // ioredis tells every failed attempt as an event; the ping says it in its own words.
  redis.on('error', (error: Error) => {
    instance.lastFailure = error
  })
  redis.on('ready', () => {
    instance.lastFailure = null
  })
  return instance
}

async function ping(instance: RedisInstance, signal: AbortSignal): Promise<void> {
  const { redis, place } = instance
  try {
    if (redis.status === 'wait' || redis.status === 'end') await redis.connect()
    else if (redis.status !== 'ready') await readyAgain(instance, signal)
    await redis.ping()
  } catch (error) {
    throw new Error(reasonOf(instance.lastFailure ?? error, place), { cause: error })
  }
}

/** Resolves when the client has connected; rejects with the first failed attempt. */
async function readyAgain({ redis, lastFailure }: RedisInstance, signal: AbortSignal): Promise<void> {
  if (redis.status === 'reconnecting' && lastFailure) throw lastFailure
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = () => reject(signal.reason)
  redis.once('ready', resolve)
  redis.once('error', reject)
  signal.addEventListener('abort', abort, { once: true })
  try {
    await promise
  } finally {
    redis.off('ready', resolve)
    redis.off('error', reject)
    signal.removeEventListener('abort', abort)
  }
}

function reasonOf(error: unknown, place: string): string {
  const [word = ''] = error instanceof Error ? error.message.split(' ', 1) : []
  const words = refusals[word]
  return words ? `${words}: ${place}, ${word}` : failureOf(error, place)
}

/** By the first word of an error reply. */
const refusals: Readonly<Record<string, string>> = {
  WRONGPASS: 'the server refused the login',
  NOAUTH: 'the server wants a password',
  NOPERM: 'the login lacks a right',
  LOADING: 'the server is loading its data',
  MASTERDOWN: 'the server lost its master',
  READONLY: 'the server is a read-only replica',
  OOM: 'the server is out of memory',
}

async function close({ redis }: RedisInstance): Promise<void> {
  if (redis.status === 'ready') {
    let patience: NodeJS.Timeout | undefined
    const impatient = new Promise(resolve => {
      patience = setTimeout(resolve, quitPatienceMs)
    })
    await Promise.race([redis.quit().catch(() => null), impatient]) // a peer that is gone cannot say goodbye
    clearTimeout(patience)
  }
  redis.disconnect()
}
