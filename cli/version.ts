import { readFileSync } from 'node:fs'

/** The version of this package, from the package.json above the source or the compiled file. */
export function version(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { name?: string; version?: string } // a package.json
      if (found.name === 'plumb-server' && found.version) return found.version
    } catch {
      // Not at that height.
    }
  }
  return '0.0.0'
}
