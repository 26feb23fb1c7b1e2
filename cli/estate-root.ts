import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { CommandError, exit } from './run.ts'

/** The root of the estate that `directory` is, or lies in. @throws CommandError where there is none */
export function estateRoot(directory: string): string {
  if (!existsSync(directory))
    throw new CommandError(`Cannot find an estate at ${resolve(directory)} as it does not exist: the path of a directory is accepted`, {
      status: exit.usage,
    })
  for (let at = resolve(directory); ; at = dirname(at)) {
    if (existsSync(join(at, 'environments'))) return at
    if (at === dirname(at))
      throw new CommandError(
        `Cannot find an estate at ${resolve(directory)}: it, or a directory above it, has a folder "environments"; plumb init makes one`,
        { status: exit.usage },
      )
  }
}
