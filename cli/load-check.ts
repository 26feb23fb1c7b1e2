// The first step of prepare: the libraries of the services are there, and the changed code loads.

import { join } from 'node:path'
import type { Delta, Manifest } from '../engine/generation/manifest.ts'
import { serviceRef } from '../engine/process/guard.ts'
import { createLoadChecker } from '../engine/service/load-check.ts'
import { serviceSpecOf } from '../engine/service/spec.ts'
import type { Digest } from '../schema/digest.ts'
import { type Issue, issue } from '../schema/issue.ts'
import type { Libraries } from './libraries.ts'

export interface LoadCheck extends AsyncDisposable {
  /** What is wrong, at its place; empty where everything loads. */
  check(next: Manifest, delta: Delta): Promise<readonly Issue[]>
  /** Starts its processes ahead, so that the first check waits for none. */
  warm(): void
}

export interface LoadCheckSettings {
  readonly libraries: Libraries
  readonly dataDirectory: string
  readonly signal: AbortSignal
}

export function createLoadCheck({ libraries, dataDirectory, signal }: LoadCheckSettings): LoadCheck {
  // Who saves twice in a row waits for no process.
  const checker = createLoadChecker({ spares: 2, codeCache: join(dataDirectory, 'cache', 'node') })
  return {
    async check(next, { set }) {
      // A resource with modules is code, whatever its kind is called.
      const changed = set.filter(({ resource }) => resource.spec.modules !== undefined)
      if (changed.length === 0) return []
      const missing = await libraries.ensure(next.lockfile, signal)
      if (missing !== null) return [issue('LIBRARIES_NOT_INSTALLED', missing)]
      const services = changed.map(({ resource }) => ({ name: resource.name, ...serviceSpecOf(resource.spec) }))
      const digests = new Set<Digest>(services.flatMap(({ modules }) => Object.values(modules)))
      const problems = await checker.check({
        services: services.map(({ name, path, exportName }) => ({ name, path, exportName })),
        modules: [...digests].map(digest => next.modules.get(digest)).filter(module => module !== undefined),
        dependencies: libraries.directoryOf(next.lockfile),
        signal,
      })
      return problems.map(({ path, line, column, code, message, service }) =>
        issue(code, message, { at: { path, line, column }, ref: serviceRef(service) }),
      )
    },
    warm: () => checker.warm(),
    [Symbol.asyncDispose]: () => checker[Symbol.asyncDispose](),
  }
}
