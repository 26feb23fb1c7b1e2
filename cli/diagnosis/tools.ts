// The programs a server is made of and calls: Node and git.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type Diagnosis, ok, problem } from './diagnosis.ts'

const neededNode = 24
/** The first with `--end-of-options`, which keeps a ref from being read as an option. */
const neededGit = [2, 24] as const

/** @param version of Node, such as `24.3.0` */
export function examineNode(version: string): Diagnosis {
  const major = Number(version.split('.')[0])
  if (major >= neededNode) return ok('node', `Node ${version} runs this command`)
  return problem(
    'node',
    `Node ${version} is too old: ${neededNode} or newer is needed`,
    `Install Node ${neededNode}, or add the package: npm install node@${neededNode}`,
  )
}

/** @param program the name of git, or its path */
export async function examineGit(program = 'git'): Promise<Diagnosis> {
  const said = await promisify(execFile)(program, ['--version'], { timeout: 5_000 }).then(
    ({ stdout }) => stdout.trim(),
    () => null, // it is not there, or is not git: told below
  )
  if (said === null) return problem('git', 'git cannot be run: it is not in the PATH', 'Install it (Debian: apt-get install git)')
  const [, major, minor] = /(\d+)\.(\d+)/.exec(said) ?? []
  if (major === undefined)
    return problem('git', `The program "${program}" is no git: it says "${said.slice(0, 100)}"`, 'Put git first in the PATH')
  const isOld = Number(major) < neededGit[0] || (Number(major) === neededGit[0] && Number(minor) < neededGit[1])
  if (isOld) return problem('git', `${said} is too old: ${neededGit.join('.')} or newer is needed`, 'Install a newer one')
  return ok('git', said)
}
