// Tells that something in a set of folders changed, once the saves have settled. Each folder is watched by itself: Node's recursive watch
// on Linux follows every folder below, `node_modules` too. Where the system has no watches left, folders are looked at twice a second.

import { type FSWatcher, watch } from 'node:fs'

export interface WatchOptions {
  /** The folders to watch, asked again after every change. */
  folders(): readonly string[]
  /** Whether a change of the entry `name` counts. */
  isRelevant(name: string): boolean
  readonly debounceMs: number
  onChange(): void
}

const pollMs = 500
// An editor that writes again and again must not keep a change from being seen.
const maxWaitMs = 200

export interface Watch {
  /** Asks for the folders again at once. */
  renew(): void
  stop(): void
}

export function watchFolders({ folders, isRelevant, debounceMs, onChange }: WatchOptions): Watch {
  const watchers = new Map<string, FSWatcher>()
  let quiet: NodeJS.Timeout | undefined
  let poll: NodeJS.Timeout | undefined
  let firstAt = 0
  let isOver = false

  const tell = () => {
    quiet = undefined
    if (isOver) return
    renew()
    onChange()
  }
  const changed = (name: string | null) => {
    if (isOver || (name !== null && !isRelevant(name))) return
    const now = performance.now()
    if (quiet === undefined) firstAt = now
    clearTimeout(quiet)
    quiet = setTimeout(tell, Math.max(0, Math.min(debounceMs, firstAt + maxWaitMs - now)))
  }
  const renew = () => {
    const wanted = new Set(safely(folders) ?? [])
    for (const [folder, watcher] of watchers) if (!wanted.has(folder)) drop(folder, watcher)
    for (const folder of wanted) if (!watchers.has(folder)) open(folder)
  }
  const open = (folder: string) => {
    const watcher = safely(() => watch(folder, { persistent: false }))
    if (watcher === undefined) {
      poll ??= setInterval(() => changed(null), pollMs).unref()
      return
    }
    watchers.set(folder, watcher)
    watcher.on('change', (_, name) => changed(name === null ? null : String(name)))
    watcher.on('error', () => {
      drop(folder, watcher)
      changed(null)
    })
  }
  const drop = (folder: string, watcher: FSWatcher) => {
    watcher.close()
    if (watchers.get(folder) === watcher) watchers.delete(folder)
  }

  renew()
  return {
    renew,
    stop() {
      isOver = true
      clearTimeout(quiet)
      clearInterval(poll)
      for (const [folder, watcher] of watchers) drop(folder, watcher)
    },
  }
}

function safely<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined // a folder that went away meanwhile, or no watch left: the caller falls back
  }
}
