// A store whose journal can be listened to: what the one event stream of the admin API, and the terminal of `plumb dev`, hear.

import type { Events } from '../admin/port.ts'
import type { JournalEvent, Store } from './port.ts'

/** The same store; every event is told to the listeners after it is on disk. A listener must not throw. */
export function observeJournal(store: Store): { readonly store: Store; readonly events: Events } {
  const listeners = new Set<(event: JournalEvent) => void>()
  const appendJournal: Store['appendJournal'] = async (type, body) => {
    const event = await store.appendJournal(type, body)
    for (const listener of listeners) listener(event)
    return event
  }
  const observed = new Proxy(store, {
    get(target, property) {
      if (property === 'appendJournal') return appendJournal
      const value = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return {
    store: observed,
    events: {
      subscribe(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
  }
}
