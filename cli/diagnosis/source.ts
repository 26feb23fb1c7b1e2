// The estate: whether a commit of the followed ref can be read, or the working tree is one.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGitSource } from '../../reconcile/source/git.ts'
import { SourceError } from '../../reconcile/source/source-error.ts'
import { environmentsOf } from '../local.ts'
import { type Diagnosis, ok, problem, type Subject } from './diagnosis.ts'

export async function examineSource({ source, environment }: Subject): Promise<Diagnosis> {
  return source.kind === 'git' ? await examineRemote(source) : await examineTree(source.root, environment)
}

async function examineRemote({ url, ref, allowLocal }: Extract<Subject['source'], { kind: 'git' }>): Promise<Diagnosis> {
  const directory = await mkdtemp(join(tmpdir(), 'plumb-doctor-'))
  try {
    await using remote = createGitSource({ url, ref, allowLocal, directory })
    const startedAt = performance.now()
    const head = await remote.head()
    return ok('source', `${remote.shown} answers in ${Math.round(performance.now() - startedAt)} ms: ${ref} is ${head.slice(0, 12)}`)
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    return problem('source', error.message, nextSteps[error.kind] ?? 'Try git ls-remote with the same URL as the user that runs plumb')
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const nextSteps: Readonly<Partial<Record<SourceError['kind'], string>>> = {
  auth: 'Give the user that runs plumb a key that the remote accepts',
  'ref-missing': 'Push the branch, or name another by source.ref',
  refused: 'Change source.git or source.ref in plumb.yaml',
}

async function examineTree(root: string, environment: string): Promise<Diagnosis> {
  const found = await environmentsOf(root).catch((error: Error) => error.message)
  if (typeof found === 'string') return problem('source', found, 'plumb init makes an estate')
  if (found.includes(environment)) return ok('source', `${root} has the environments ${found.join(', ')}`)
  return problem('source', `${root} has no environment "${environment}"`, `Choose one of ${found.join(', ')} by --environment`)
}
