// Where files of a deploy may lie: in the folders that compilation reads. A deploy must not be a way to write what other programs read and
// run, such as the settings of an editor, hooks, or packages.

import { isSkipped } from './folders.ts'
import { everything, leadsOf } from './leads.ts'
import type { Tree } from './tree.ts'

const homes = ['environments', 'services', 'package.json', 'package-lock.json', 'npm-shrinkwrap.json']

/** @param contents what comes with it, by path; null where a file goes */
export function isAccepted(tree: Tree, path: string, contents: ReadonlyMap<string, Uint8Array | null>): boolean {
  const steps = path.split('/')
  const [top = ''] = steps
  if (steps.some(isSkipped) || top.startsWith('.')) return false
  if (homes.includes(top)) return true
  if (steps.length > 1 && holds(tree, top)) return true
  const leads = [...contents].flatMap(([from, content]) => (content ? leadsOf(from, content) : []))
  return (
    tree.files.has(path) || leads.some(lead => lead === top || lead === everything || lead === stemOf(top) || stemOf(lead) === stemOf(top))
  )
}

function holds({ files }: Tree, top: string): boolean {
  for (const path of files.keys()) if (path.startsWith(`${top}/`)) return true
  return false
}

function stemOf(name: string): string {
  return name.split('.', 1)[0] ?? name
}
