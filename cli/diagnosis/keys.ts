// Files that hold keys: only their owner may read them, and a copy of the data directory must not hold the key that opens it.

import { stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { readSealKey } from '../../schema/seal.ts'
import { type Diagnosis, ok, problem, type Subject, skipped, warning } from './diagnosis.ts'

export async function examineSealKey({ sealKeyPath: path, dataDirectory, source }: Subject): Promise<Diagnosis> {
  try {
    if (readSealKey(path) === undefined) return skipped('seal key', `${path} is not there yet: the first start makes it`)
  } catch (error) {
    return problem(
      'seal key',
      error instanceof Error ? error.message : String(error),
      'Resources that need a secret stay closed until it can be used',
    )
  }
  if (source.kind === 'git' && !relative(dataDirectory, path).startsWith('..'))
    return warning(
      'seal key',
      `${path} lies in the data directory: a copy of that opens every secret`,
      'Move it out and name it by --seal-key',
    )
  return ok('seal key', `${path} is its owner's alone`)
}

export async function examineTokenFile(path: string): Promise<Diagnosis> {
  const found = await stat(path).catch(() => null)
  if (found === null) return problem('token', `${path} cannot be read`, 'Name the file that holds the token')
  if ((found.mode & 0o077) !== 0)
    return warning('token', `${path} is open to others: mode is ${(found.mode & 0o777).toString(8)}`, `Run chmod 600 ${path}`)
  return ok('token', `${path} is its owner's alone`)
}
