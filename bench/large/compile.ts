// How long a large estate takes to compile: with nothing known, and with what another process left on disk.

import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Remote } from '../../test/e2e/server.ts'
import { perFile } from '../estate/large.ts'
import type { Rest } from '../rest.ts'
import type { Compilation } from './compile-process.ts'

const run = promisify(execFile)
const script = new URL('compile-process.ts', import.meta.url).pathname
const yamlScript = new URL('yaml-process.ts', import.meta.url).pathname

export interface CompileTimes {
  readonly cold: readonly number[]
  readonly cached: readonly number[]
  readonly unchanged: readonly number[]
  /** What the yaml library alone takes for the same text, in a fresh process too, measured beside each pair. */
  readonly yaml: readonly number[]
}

/** `rounds` pairs of a cold compilation and one from the disk cache, each in a fresh process. @throws where two of them differ */
export async function measureCompile(
  remote: Remote,
  { resources, rounds, rest }: { readonly resources: number; readonly rounds: number; readonly rest: Rest },
): Promise<CompileTimes> {
  const cold: number[] = []
  const cached: number[] = []
  const unchanged: number[] = []
  const yaml: number[] = []
  const digests = new Set<string>()
  const home = await mkdtemp(join(tmpdir(), 'plumb-compile-'))
  try {
    for (let round = 0; round < rounds; round++) {
      const data = join(home, `data-${round}`)
      await rest()
      yaml.push(await parseAlone(resources))
      for (const into of [cold, cached]) {
        await rest()
        const { stdout } = await run(process.execPath, [script, remote.url, join(home, 'clone'), data])
        const result = JSON.parse(stdout) as Compilation // printed by compile-process.ts
        if (result.resources < resources) throw new Error(`The compilation found ${result.resources} of ${resources} resources`)
        digests.add(result.digest)
        into.push(result.elapsedMs)
        unchanged.push(result.againMs)
      }
      await rm(data, { recursive: true })
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
  if (digests.size !== 1) throw new Error('Compilations of one tree differ')
  return { cold, cached, unchanged, yaml }
}

async function parseAlone(resources: number): Promise<number> {
  const { stdout } = await run(process.execPath, [yamlScript, String(resources / perFile)])
  return Number(stdout)
}
