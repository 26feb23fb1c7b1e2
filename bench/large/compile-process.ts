// One compilation in a process of its own, as the control process makes it: what was learned by an earlier process is only what lies
// on disk. Run as: node compile-process.ts <bare repository> <folder of the clone> <data directory>; prints one line of JSON.

import { createCompilation } from '../../cli/compilation.ts'
import { createGitSource } from '../../reconcile/source/git.ts'
import { SealKey } from '../../schema/seal.ts'
import { builtinVocabulary } from '../../schema/vocabulary.ts'

export interface Compilation {
  /** From a fetched commit to the desired state. */
  readonly elapsedMs: number
  /** The same tree once more: nothing changed. */
  readonly againMs: number
  readonly resources: number
  readonly digest: string
}

const [url = '', directory = '', dataDirectory = ''] = process.argv.slice(2)
await using source = createGitSource({ url, ref: 'main', directory, allowLocal: true })
await using compilation = createCompilation({
  config: { command: 'serve', environment: 'dev', floors: {}, dataDirectory },
  vocabulary: builtinVocabulary(),
  sealKey: new SealKey(new Uint8Array(32).fill(7)),
  libraries: { remember: async () => undefined },
})
compilation.warm()
const revision = await source.fetch()
const first = await timed()
const again = await timed()
if (first.digest !== again.digest) throw new Error('Two compilations of one tree differ')
const result: Compilation = { elapsedMs: first.elapsedMs, againMs: again.elapsedMs, resources: first.resources, digest: first.digest }
console.log(JSON.stringify(result))

async function timed() {
  const startedAt = performance.now()
  const { desired, issues } = await compilation.compile(await source.tree(revision), null)
  const elapsedMs = performance.now() - startedAt
  if (desired === null) throw new Error(`The generated estate does not compile: ${JSON.stringify(issues.slice(0, 3))}`)
  return { elapsedMs, resources: desired.resources.size, digest: desired.digest }
}
