// A copy of the sample estate in a folder of its own, for tests that save files under `plumb dev`.

import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './server.ts'

export interface Estate extends AsyncDisposable {
  readonly directory: string
  read(path: string): Promise<string>
  /** Writes a file as an editor saves it. */
  save(path: string, text: string): Promise<void>
  /** @throws where `before` does not stand there once */
  replace(path: string, before: string, after: string): Promise<void>
}

export async function copySampleEstate(): Promise<Estate> {
  const directory = await mkdtemp(join(tmpdir(), 'plumb-estate-'))
  for (const part of ['environments', 'services']) await cp(join(root, part), join(directory, part), { recursive: true })
  const estate: Estate = {
    directory,
    read: path => readFile(join(directory, path), 'utf8'),
    async save(path, text) {
      const file = join(directory, path)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text)
    },
    async replace(path, before, after) {
      const text = await estate.read(path)
      if (text.split(before).length !== 2) throw new Error(`${path} does not hold ${JSON.stringify(before)} once`)
      await estate.save(
        path,
        text.replace(before, () => after),
      )
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  }
  return estate
}
