// The timers a module instance sees: node's own, remembered until they end.

import * as nodeTimers from 'node:timers'
import * as nodePromises from 'node:timers/promises'
import type { Held, Holdings } from './holdings.ts'

type Callback = (...values: unknown[]) => unknown

/** What timers run on, and what code reads the date from; a test brings its own, whose time moves when it says so. */
export interface ServiceTime {
  readonly timers: Pick<typeof nodeTimers, 'setTimeout' | 'setInterval' | 'clearTimeout' | 'clearInterval'>
  readonly Date: DateConstructor
}

export const systemTime: ServiceTime = { timers: nodeTimers, Date }

/** Stands in for the timer globals and for `node:timers`; `promises` stands in for `node:timers/promises`. */
export function createTimers(holdings: Holdings, { timers: host }: ServiceTime = systemTime) {
  const held = new WeakMap<object, Held>()

  function hold<Timer extends object>(timer: Timer, what: string, options: { repeats: boolean; clear: (timer: Timer) => void }): Timer {
    const entry: Held = {
      what,
      origin: options.repeats ? new Error('started') : null,
      passing: !options.repeats,
      release: () => options.clear(timer),
    }
    held.set(timer, entry)
    holdings.add(entry)
    return timer
  }

  function forget(timer: object | undefined): void {
    const entry = timer === undefined ? undefined : held.get(timer)
    if (entry !== undefined) holdings.delete(entry)
  }

  function setTimeout(callback: Callback, ms?: number, ...values: unknown[]) {
    requireCallback(callback)
    const what = `setTimeout of ${ms ?? 1} ms`
    const timer = host.setTimeout(() => {
      forget(timer)
      holdings.runStray(what, () => Reflect.apply(callback, timer, values))
    }, ms)
    return hold(timer, what, { repeats: false, clear: host.clearTimeout })
  }

  function setImmediate(callback: Callback, ...values: unknown[]) {
    requireCallback(callback)
    const timer = nodeTimers.setImmediate(() => {
      forget(timer)
      holdings.runStray('setImmediate', () => Reflect.apply(callback, timer, values))
    })
    return hold(timer, 'setImmediate', { repeats: false, clear: nodeTimers.clearImmediate })
  }

  function setInterval(callback: Callback, ms?: number, ...values: unknown[]) {
    requireCallback(callback)
    const what = `setInterval of ${ms ?? 1} ms`
    const timer = host.setInterval(() => holdings.runStray(what, () => Reflect.apply(callback, timer, values)), ms)
    return hold(timer, what, { repeats: true, clear: host.clearInterval })
  }

  /** Whatever was given goes to node, which takes numbers and strings too. */
  function clearing(clear: (timer: never) => void) {
    return (timer: unknown): void => {
      if (typeof timer === 'object' && timer !== null) forget(timer)
      clear(timer as never) // node ignores what is no timer
    }
  }

  const timers = {
    setTimeout,
    setInterval,
    setImmediate,
    clearTimeout: clearing(host.clearTimeout),
    clearInterval: clearing(host.clearInterval),
    clearImmediate: clearing(nodeTimers.clearImmediate),
  }
  const promises = createPromises(timers)
  // Node reads this property in util.promisify(setTimeout).
  const promisify = Symbol.for('nodejs.util.promisify.custom')
  Object.defineProperty(setTimeout, promisify, { value: promises.setTimeout })
  Object.defineProperty(setImmediate, promisify, { value: promises.setImmediate })
  return { timers, promises }
}

interface DelayOptions {
  readonly signal?: AbortSignal
  readonly ref?: boolean
}

/** A delay whose instance is released never settles: what waits for it is forgotten with it, where a rejection would be nobody's. */
function createPromises(timers: {
  setTimeout(callback: () => void, ms?: number): NodeJS.Timeout
  setImmediate(callback: () => void): NodeJS.Immediate
  clearTimeout(timer: unknown): void
  clearImmediate(timer: unknown): void
}) {
  function wait<Value>(
    value: Value,
    options: DelayOptions,
    start: (done: () => void) => { unref(): unknown },
    clear: (timer: unknown) => void,
  ) {
    const { signal, ref = true } = options
    if (signal?.aborted) return Promise.reject<Value>(abortError(signal))
    return new Promise<Value>((resolve, reject) => {
      const timer = start(() => {
        signal?.removeEventListener('abort', abort)
        resolve(value)
      })
      if (!ref) timer.unref()
      const abort = () => {
        clear(timer)
        if (signal !== undefined) reject(abortError(signal))
      }
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  const delay = <Value>(ms?: number, value?: Value, options: DelayOptions = {}) =>
    wait(value, options, done => timers.setTimeout(done, ms), timers.clearTimeout)
  async function* setInterval<Value>(ms?: number, value?: Value, options: DelayOptions = {}) {
    for (;;) {
      await delay(ms, undefined, options)
      yield value
    }
  }
  return {
    setTimeout: delay,
    setImmediate: <Value>(value?: Value, options: DelayOptions = {}) => wait(value, options, timers.setImmediate, timers.clearImmediate),
    setInterval,
    scheduler: { wait: (ms: number, options?: DelayOptions) => delay(ms, undefined, options), yield: () => nodePromises.scheduler.yield() },
  }
}

function requireCallback(callback: unknown): void {
  if (typeof callback !== 'function')
    throw Object.assign(new TypeError('Cannot start a timer as its callback is no function'), { code: 'ERR_INVALID_ARG_TYPE' })
}

function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  error.name = 'AbortError'
  return Object.assign(error, { code: 'ABORT_ERR' })
}
