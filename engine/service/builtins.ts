// The parts of node that reach beyond a module instance, as that instance sees them: `process`, `console`, its timers,
// diagnostics channels. All other builtins are node's own.

import diagnosticsChannel from 'node:diagnostics_channel'
import { createRequire, isBuiltin } from 'node:module'
import { createConsole, type OnPrint } from './console.ts'
import type { Held, Holdings } from './holdings.ts'
import { createListenerMethods, isListenerMethod } from './listeners.ts'
import { createTimers, type ServiceTime } from './timers.ts'

const requireBuiltin = createRequire(import.meta.url)

export interface Builtins {
  /** Parameters of the function a module is wrapped in, by name. */
  readonly globals: Readonly<Record<string, unknown>>
  /** What `require(specifier)` gives for a builtin; undefined where it is none. */
  require(specifier: string): unknown
}

/** Names of `Builtins.globals`, in the order of the wrapper's parameters. */
export const globalNames = [
  'process',
  'console',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
] as const

export function createBuiltins(holdings: Holdings, { onPrint, time }: { readonly onPrint: OnPrint; readonly time: ServiceTime }): Builtins {
  const { timers, promises } = createTimers(holdings, time)
  const tracked = new Map<string, unknown>()

  const makers: Readonly<Record<string, () => unknown>> = {
    process: () => createProcess(holdings),
    console: () => createConsole(holdings.path, onPrint),
    timers: () => ({ ...timers, promises }),
    'timers/promises': () => promises,
    diagnostics_channel: () => createChannels(holdings),
  }

  function builtin(name: string): unknown {
    const known = tracked.get(name)
    if (known !== undefined) return known
    const make = makers[name]
    if (make === undefined) return requireBuiltin(`node:${name}`)
    const made = make()
    tracked.set(name, made)
    return made
  }

  return {
    globals: { process: builtin('process'), console: builtin('console'), ...timers },
    require: specifier => (isBuiltin(specifier) ? builtin(specifier.replace(/^node:/, '')) : undefined),
  }
}

/** The process, less what would end it under every other service. */
function createProcess(holdings: Holdings): NodeJS.Process {
  const listenerMethod = createListenerMethods(process, 'process', holdings)
  const own = new Map<PropertyKey, unknown>()
  for (const name of ['exit', 'abort', 'reallyExit'])
    own.set(name, () => {
      throw new Error(`Cannot call process.${name}() as the process serves other services too: throw an error instead`)
    })
  const proxy: NodeJS.Process = new Proxy(process, {
    get(target, key) {
      if (own.has(key)) return own.get(key)
      if (!isListenerMethod(key)) return Reflect.get(target, key, target)
      const method = listenerMethod(key, proxy)
      own.set(key, method)
      return method
    },
  })
  return proxy
}

type Subscriber = (message: unknown, name: string | symbol) => void
interface Subscribable {
  subscribe(subscriber: never): void
  unsubscribe(subscriber: never): unknown
}

function createChannels(holdings: Holdings): object {
  /** `target` with its subscriptions remembered. */
  function trackedSubscriptions<Target extends Subscribable>(target: Target, name: string): Target {
    const held = new Map<object, Held>()
    return new Proxy(target, {
      get(of, key) {
        if (key === 'subscribe')
          return (subscriber: object) => {
            of.subscribe(subscriber as never) // checked by node
            const release = () => void of.unsubscribe(subscriber as never) // as above
            held.set(
              subscriber,
              holdings.add({ what: `subscription to diagnostics channel "${name}"`, origin: new Error('made'), passing: false, release }),
            )
          }
        if (key === 'unsubscribe')
          return (subscriber: object) => {
            const entry = held.get(subscriber)
            if (entry !== undefined) holdings.delete(entry)
            held.delete(subscriber)
            return of.unsubscribe(subscriber as never) // checked by node
          }
        const value: unknown = Reflect.get(of, key, of)
        return typeof value === 'function' ? value.bind(of) : value
      },
    })
  }

  const channels = new Map<string | symbol, diagnosticsChannel.Channel>()
  function channel(name: string | symbol): diagnosticsChannel.Channel {
    const known = channels.get(name)
    if (known !== undefined) return known
    const made = trackedSubscriptions(diagnosticsChannel.channel(name), String(name))
    channels.set(name, made)
    return made
  }

  return {
    ...diagnosticsChannel,
    channel,
    subscribe: (name: string | symbol, subscriber: Subscriber) => channel(name).subscribe(subscriber),
    unsubscribe: (name: string | symbol, subscriber: Subscriber) => channel(name).unsubscribe(subscriber),
    tracingChannel: (of: Parameters<typeof diagnosticsChannel.tracingChannel>[0]) =>
      trackedSubscriptions(diagnosticsChannel.tracingChannel(of), typeof of === 'string' ? of : 'tracing'),
  }
}
