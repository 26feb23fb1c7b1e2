// An emitter seen through a proxy that remembers which listeners a module instance put on it, so that they go with it.

import type { EventEmitter } from 'node:events'
import type { Held, Holdings } from './holdings.ts'

type Listener = (...values: unknown[]) => void
type Adding = 'on' | 'once' | 'addListener' | 'prependListener' | 'prependOnceListener'

const adding = new Set<PropertyKey>(['on', 'once', 'addListener', 'prependListener', 'prependOnceListener'] satisfies Adding[])
const removing = new Set<PropertyKey>(['off', 'removeListener', 'removeAllListeners'])

/** True for the methods of an emitter that `listenerMethod` stands in for. */
export function isListenerMethod(key: PropertyKey): boolean {
  return adding.has(key) || removing.has(key)
}

/** Stands in for `emitter[key]`; returns `self`, as the emitter would return itself. `removeAllListeners` removes the instance's own only. */
export function createListenerMethods(emitter: EventEmitter, name: string, holdings: Holdings) {
  const own = new Set<{ event: string | symbol; listener: Listener; held: Held }>()

  function add(method: Adding, event: string | symbol, listener: Listener): void {
    const forget = () => {
      own.delete(entry)
      holdings.delete(held)
    }
    const isOnce = method === 'once' || method === 'prependOnceListener'
    const attached: Listener = isOnce
      ? function (this: unknown, ...values) {
          forget()
          return Reflect.apply(listener, this, values)
        }
      : listener
    // `emitter.off(event, listener)` finds a wrapped listener by this property, as it does for node's own once().
    if (isOnce) Object.assign(attached, { listener })
    const held: Held = {
      what: `listener for "${String(event)}" on ${name}`,
      origin: new Error('added'),
      passing: false,
      release: () => emitter.off(event, attached),
    }
    const entry = { event, listener, held }
    Reflect.apply(emitter[method], emitter, [event, attached])
    own.add(entry)
    holdings.add(held)
  }

  function remove(event: string | symbol, listener: Listener): void {
    const entry = [...own].findLast(item => item.event === event && item.listener === listener)
    if (entry === undefined) return
    own.delete(entry)
    holdings.delete(entry.held)
    entry.held.release()
  }

  return (key: PropertyKey, self: object): ((...values: never[]) => object) => {
    if (key === 'removeAllListeners')
      return (event?: string | symbol) => {
        for (const entry of [...own]) if (event === undefined || entry.event === event) remove(entry.event, entry.listener)
        return self
      }
    if (removing.has(key))
      return (event: string | symbol, listener: Listener) => {
        remove(event, listener)
        return self
      }
    return (event: string | symbol, listener: Listener) => {
      add(key as Adding, event, listener) // isListenerMethod and not removing
      return self
    }
  }
}
