// npm libraries as service code requires them: resolved from one directory for each lockfile, one instance for each worker.

import { createRequire, registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A package whose module graph awaits at its top level: `require` has to wait until `importAhead` has resolved. */
export class AsyncPackageError extends Error {
  readonly specifier: string

  constructor(specifier: string, cause: unknown) {
    super(`Cannot require "${specifier}" as it awaits at its top level`, { cause })
    this.name = 'AsyncPackageError'
    this.specifier = specifier
  }
}

export interface Packages {
  /** Throws what node throws where there is no such package, and `AsyncPackageError`. */
  require(specifier: string): unknown
  resolve(specifier: string): string
  importAhead(specifier: string): Promise<void>
}

/** The packages in `<directory>/node_modules`. */
export function createPackages(directory: string): Packages {
  const requireFrom = createRequire(join(directory, 'package.json'))
  const imported = new Map<string, unknown>()

  return {
    require(specifier) {
      if (imported.has(specifier)) return imported.get(specifier)
      try {
        return withImportCondition(() => requireFrom(specifier))
      } catch (error) {
        if (codeOf(error) === 'ERR_REQUIRE_ASYNC_MODULE') throw new AsyncPackageError(specifier, error)
        throw error
      }
    },
    resolve: specifier => withImportCondition(() => requireFrom.resolve(specifier)),
    async importAhead(specifier) {
      const file = withImportCondition(() => requireFrom.resolve(specifier))
      const namespace: object = await import(pathToFileURL(file).href)
      // The two rules of require(esm): an export named "module.exports" stands for all, and transpiled code sees an ES module.
      const exported: unknown = Reflect.get(namespace, 'module.exports')
      imported.set(specifier, exported ?? { __esModule: true, ...namespace })
    },
  }
}

/** Runs `load`; where a package offers no `require` condition, once more with its `import` condition. */
function withImportCondition<Loaded>(load: () => Loaded): Loaded {
  try {
    return load()
  } catch (error) {
    if (codeOf(error) !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error
  }
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      try {
        return next(specifier, context)
      } catch (error) {
        if (codeOf(error) !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error
        return next(specifier, { ...context, conditions: [...context.conditions.filter(name => name !== 'require'), 'import'] })
      }
    },
  })
  try {
    return load()
  } finally {
    hooks.deregister()
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
