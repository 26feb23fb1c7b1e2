// The author's own client behind a thin proxy, one per module instance: `instanceof` and every method hold, listeners are
// remembered, and what would end the shared connection is refused.

import type { EventEmitter } from 'node:events'
import type { Held, Holdings } from './holdings.ts'
import { createListenerMethods, isListenerMethod } from './listeners.ts'

const refused = new Set<PropertyKey>(['end', 'quit', 'disconnect', 'close', 'destroy'])

/** What a module instance sees of `client`; the same proxy at every call. `label` names the connection in messages: `sql "Billing"`. */
export function clientFor(holdings: Holdings, client: object, label: string): object {
  return holdings.proxyOf(client, owner => createProxy(owner, client, label))
}

function createProxy(holdings: Holdings, client: object, label: string): object {
  const methods = new Map<PropertyKey, { readonly of: unknown; readonly method: unknown }>()
  const listenerMethod = isEmitter(client) ? createListenerMethods(client, label, holdings) : null
  const prototype = Object.getPrototypeOf(client)

  function methodFor(key: PropertyKey, value: (...values: unknown[]) => unknown): unknown {
    if (refused.has(key))
      return () => {
        throw new Error(
          `Cannot call ${String(key)}() on ${label} as the server owns the connection and other calls use it: drop the call, the server closes it when it is no longer declared`,
        )
      }
    if (listenerMethod !== null && isListenerMethod(key)) return listenerMethod(key, proxy)
    // Called on the client itself, so that private fields work.
    return (...values: unknown[]) => {
      const result = Reflect.apply(value, client, values)
      if (result === client) return proxy
      if (typeof result === 'object' && result !== null && Object.getPrototypeOf(result) === prototype) holdCopy(holdings, result, label)
      return result
    }
  }

  const proxy: object = new Proxy(client, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      // A function that is the client's own property is a value it carries (a class, a callback), not a method of its class.
      if (typeof value !== 'function' || key === 'constructor' || (Object.hasOwn(target, key) && !refused.has(key))) return value
      const known = methods.get(key)
      if (known?.of === value) return known.method
      const method = methodFor(key, value as (...values: unknown[]) => unknown) // typeof says it
      methods.set(key, { of: value, method })
      return method
    },
  })
  return proxy
}

/** A client made from the client (`redis.duplicate()`) belongs to the instance that made it. */
function holdCopy(holdings: Holdings, copy: object, label: string): void {
  const end = ['disconnect', 'end', 'close', 'destroy'].map(key => Reflect.get(copy, key)).find(method => typeof method === 'function')
  if (end === undefined) return
  const held: Held = holdings.add({
    what: `client made from ${label}`,
    origin: new Error('made'),
    passing: false,
    release: () => void Reflect.apply(end, copy, []),
  })
  if (isEmitter(copy)) copy.once('end', () => holdings.delete(held))
}

function isEmitter(value: object): value is EventEmitter {
  return typeof Reflect.get(value, 'on') === 'function' && typeof Reflect.get(value, 'off') === 'function'
}
