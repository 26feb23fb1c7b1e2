// The manners every instance has, whatever its protocol: deadlines, a status with reason and since, recovery without a
// restart, intake that can be started and stopped in turn, one close. The wrapper knows no protocol.

import type { Ref } from '../schema/ref.ts'
import {
  type Adapter,
  type Connection,
  type Declared,
  defaultTraits,
  type HeldLease,
  type Resolve,
  type Surroundings,
  type Traits,
} from './port.ts'
import { messageOf, redact, redactingLog } from './redact.ts'

const prepareDeadlineMs = 30_000
const pingDeadlineMs = 5_000
/** With the ping's own deadline a peer that fell silent is noticed within 15 s. */
const readyPeriodMs = 10_000
const firstRetryMs = 250
const longestRetryMs = 5_000
const closeDeadlineMs = 10_000

/** Why a wait of ours ends early. One for all: making an error for each costs more than the ping of a near peer. */
const over = new Error('The wait is over')

/** `since` is in milliseconds of the clock. */
export type Status =
  | { readonly ready: true; readonly reason: null; readonly since: number }
  | { readonly ready: false; readonly reason: string; readonly since: number }

/**
 * Prepares an instance and gives it its manners. Synchronous where the adapter is.
 * @param name what its lease is called, and what it takes turns under; default: its resource's ref
 * @throws what the adapter threw, as an error whose message completes "Cannot prepare … as" and holds no secret
 */
export function prepareInstance(
  adapter: Adapter,
  declared: Declared,
  around: Surroundings,
  name: string = declared.resource.ref,
): Wrapped | Promise<Wrapped> {
  const surroundings = { ...around, log: redactingLog(around.log, declared.secrets) }
  const wrap = (instance: unknown) => new Wrapped(adapter, instance, { declared, surroundings, name })
  const refused = (error: unknown) => new Error(redact(messageOf(error), declared.secrets.values()), { cause: error })
  try {
    const prepared = adapter.prepare(declared, surroundings)
    if (!(prepared instanceof Promise)) return wrap(prepared)
    return prepareInTime(adapter, prepared, surroundings).then(wrap, error => Promise.reject(refused(error)))
  } catch (error) {
    throw refused(error)
  }
}

async function prepareInTime(adapter: Adapter, prepared: Promise<unknown>, surroundings: Surroundings): Promise<unknown> {
  const settled = new AbortController()
  let isLate = false
  const deadline = surroundings.clock.sleep(prepareDeadlineMs, settled.signal).then(() => {
    isLate = true
    throw new Error(`it was not ready within ${prepareDeadlineMs / 1000} s`)
  })
  try {
    return await Promise.race([prepared, deadline])
  } finally {
    settled.abort(over)
    if (isLate) closeWhenPrepared(adapter, prepared, surroundings)
  }
}

/** What comes too late is nobody's; it must not stay open. */
function closeWhenPrepared(adapter: Adapter, prepared: Promise<unknown>, { log }: Surroundings): void {
  prepared
    .then(instance => adapter.close(instance))
    .catch(error => log.warn({ reason: messageOf(error) }, 'An instance that was prepared too late failed'))
}

export class Wrapped {
  readonly ref: Ref
  /** Of the instance, whichever resources it serves. */
  readonly name: string
  readonly instance: unknown
  readonly traits: Traits
  readonly #adapter: Adapter
  readonly #declared: Declared
  readonly #surroundings: Surroundings
  #status: Status
  #connection: Connection | null = null
  #ending: AbortController | null = null
  #isEnding = false
  #pingEnded: AbortController | null = null
  #pinging: Promise<Status> | null = null
  #watching = false
  #isWanted = false
  #lease: HeldLease | null = null
  #isStarted = false
  #turn: Promise<void> = Promise.resolve()
  #closed: Promise<void> | null = null

  constructor(
    adapter: Adapter,
    instance: unknown,
    { declared, surroundings, name }: { readonly declared: Declared; readonly surroundings: Surroundings; readonly name: string },
  ) {
    this.ref = declared.resource.ref
    this.name = name
    this.instance = instance
    this.traits = adapter.traits ? { ...defaultTraits, ...adapter.traits } : defaultTraits
    this.#adapter = adapter
    this.#declared = declared
    this.#surroundings = surroundings
    this.#status = { ready: true, reason: null, since: surroundings.clock.now() }
  }

  /** Optimistic until the first ping ended. */
  status(): Status {
    return this.#status
  }

  get canPing(): boolean {
    return this.#adapter.ping !== undefined
  }

  get hasIntake(): boolean {
    return this.#adapter.start !== undefined
  }

  /** Tells the instance which views it serves, where its adapter asks. Never throws. */
  serve(views: ReadonlyMap<Ref, unknown>): void {
    try {
      this.#adapter.serve?.(this.instance, views)
    } catch (error) {
      this.#surroundings.log.error({ ref: this.ref, reason: this.#reasonOf(error) }, `Cannot tell "${this.ref}" what it serves`)
    }
  }

  get isStarted(): boolean {
    return this.#isStarted
  }

  /** What one generation sees; the same object for every generation where the adapter makes no views. */
  view(declared: Declared, resolve: Resolve): unknown {
    if (!this.#adapter.view && !this.canPing) return this.instance
    if (!this.#adapter.view) {
      this.#connection ??= { client: this.instance, status: () => this.#status }
      return this.#connection
    }
    const view = this.#adapter.view(this.instance, declared, resolve)
    return this.canPing ? { client: view, status: () => this.#status } : view
  }

  /** Aborted by `close`. Made when it is first asked for, as most instances never wait for anything. */
  get #endingSignal(): AbortSignal {
    this.#ending ??= new AbortController()
    if (this.#isEnding) this.#ending.abort(over)
    return this.#ending.signal
  }

  /** Checks the far end once; pings that overlap are one. Never rejects: the status has the reason. */
  ping(): Promise<Status> {
    this.#pinging ??= this.#pingOnce().finally(() => {
      this.#pinging = null
    })
    return this.#pinging
  }

  async #pingOnce(): Promise<Status> {
    const { ping } = this.#adapter
    if (!ping || this.#isEnding) return this.#status
    const ended = new AbortController()
    this.#pingEnded = ended
    try {
      await Promise.race([ping.call(this.#adapter, this.instance, ended.signal), this.#deadline(pingDeadlineMs, ended.signal)])
      this.#become(null)
    } catch (error) {
      if (!this.#isEnding) this.#become(this.#reasonOf(error))
    } finally {
      ended.abort(over)
    }
    return this.#status
  }

  async #deadline(ms: number, signal: AbortSignal): Promise<never> {
    await this.#surroundings.clock.sleep(ms, signal)
    throw new Error(`no answer came within ${ms / 1000} s`)
  }

  #reasonOf(error: unknown): string {
    return redact(messageOf(error), this.#declared.secrets.values())
  }

  #become(reason: string | null): void {
    if (this.#status.reason === reason) return
    const { clock, log } = this.#surroundings
    const since = this.#status.ready === (reason === null) ? this.#status.since : clock.now()
    this.#status = reason === null ? { ready: true, reason, since } : { ready: false, reason, since }
    if (reason === null) log.info({ ref: this.ref }, `"${this.ref}" is ready`)
    else log.warn({ ref: this.ref, reason }, `Cannot use "${this.ref}" as ${reason}`)
  }

  /** Keeps the status true from now on: pings again while it lives, sooner while it is degraded. */
  watch(): void {
    if (this.#watching || !this.canPing) return
    this.#watching = true
    this.#pingAgain().catch(error => {
      // The only way out of the loop is the abort of `close`.
      if (!this.#isEnding) throw error
    })
  }

  async #pingAgain(): Promise<never> {
    for (let failures = 0; ; ) {
      failures = this.#status.ready ? 0 : failures + 1
      const pauseMs = failures === 0 ? readyPeriodMs : this.#backoffMs(failures)
      await this.#surroundings.clock.sleep(pauseMs, this.#endingSignal)
      await this.ping()
      this.#endingSignal.throwIfAborted()
    }
  }

  #backoffMs(failures: number): number {
    const ceilingMs = Math.min(longestRetryMs, firstRetryMs * 2 ** (failures - 1))
    return ceilingMs * (0.5 + 0.5 * (this.#surroundings.random ?? Math.random)())
  }

  /**
   * Begins intake. A start that fails makes the instance degraded and is tried again until `stop` or `close`.
   * Never rejects, as it happens after the commit point.
   */
  start(lease: HeldLease | null = null): Promise<void> {
    if (this.#isWanted || !this.hasIntake || this.#closed) return this.#turn
    this.#isWanted = true
    this.#lease = lease
    this.#turn = this.#turn.then(() => this.#startOnce(1))
    return this.#turn
  }

  async #startOnce(attempt: number): Promise<void> {
    if (!this.#isWanted || this.#isStarted || this.#isEnding) return
    try {
      await this.#adapter.start?.(this.instance, this.#lease)
      this.#isStarted = true
      if (attempt > 1) this.#become(null)
    } catch (error) {
      this.#become(this.#reasonOf(error))
      this.#startLater(attempt)
    }
  }

  #startLater(attempt: number): void {
    this.#surroundings.clock.sleep(this.#backoffMs(attempt), this.#endingSignal).then(
      () => {
        this.#turn = this.#turn.then(() => this.#startOnce(attempt + 1))
      },
      () => null, // closed meanwhile
    )
  }

  /** Ends intake; work taken goes on. Never rejects. */
  stop(): Promise<void> {
    this.#isWanted = false
    this.#turn = this.#turn.then(async () => {
      if (!this.#isStarted) return
      this.#isStarted = false
      try {
        await this.#adapter.stop?.(this.instance)
      } catch (error) {
        this.#surroundings.log.error({ ref: this.ref, reason: this.#reasonOf(error) }, `Cannot stop "${this.ref}"`)
      }
    })
    return this.#turn
  }

  /** Resolves when the work taken has ended, or after `deadlineMs` at the latest. Never rejects. */
  async drain(deadlineMs: number): Promise<void> {
    const { drain } = this.#adapter
    if (!drain) return
    await this.#inTime('drain', deadlineMs, () => drain.call(this.#adapter, this.instance, deadlineMs))
  }

  /** Ends intake, drains and closes, once, however often it is called. Never rejects: what fails is logged. */
  close(): Promise<void> {
    this.#closed ??= this.#closeOnce()
    return this.#closed
  }

  async #closeOnce(): Promise<void> {
    this.#isEnding = true
    this.#ending?.abort(over)
    this.#pingEnded?.abort(over)
    await this.stop()
    await this.drain(closeDeadlineMs)
    await this.#inTime('close', closeDeadlineMs, () => this.#adapter.close(this.instance))
  }

  async #inTime(what: string, deadlineMs: number, act: () => Promise<void> | void): Promise<void> {
    const settled = new AbortController()
    try {
      const acted = act()
      if (acted) await Promise.race([acted, this.#deadline(deadlineMs, settled.signal)])
    } catch (error) {
      this.#surroundings.log.warn({ ref: this.ref, reason: this.#reasonOf(error) }, `Cannot ${what} "${this.ref}" in time`)
    } finally {
      settled.abort(over)
    }
  }
}
