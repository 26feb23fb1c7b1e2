// Names that a deploy may bring: an estate is edited on macOS and Windows and served on Linux, so a new file bears a name that all three
// can hold, and that none of them takes for another file's. What lies in the tree already is not judged again.
// Windows: https://learn.microsoft.com/windows/win32/fileio/naming-a-file. Form NFC: APFS and HFS+ find a file by either form.

import { CaseFolding, faultOf, printable } from './path.ts'

/** A path that is refused, and why, as the end of a sentence. */
export interface NameFault {
  readonly path: string
  readonly why: string
}

/**
 * What is wrong with the names of the files that come in; empty where nothing is.
 * @param held the paths that are there and stay
 */
export function nameFaults(incoming: readonly string[], held: ReadonlySet<string>): readonly NameFault[] {
  const faults: NameFault[] = []
  const fresh = incoming.filter(path => !held.has(path))
  const folding = new CaseFolding()
  const folders = new Set<string>()
  const files = new Set([...held, ...fresh])
  for (const path of held) {
    folding.add(path)
    for (const folder of foldersOf(path)) folders.add(folder)
  }
  for (const path of fresh) for (const folder of foldersOf(path)) folders.add(folder)
  for (const path of incoming) {
    const why = faultOf(path) ?? (held.has(path) ? undefined : (unportable(path) ?? collision(path)))
    if (why !== undefined) faults.push({ path, why })
  }
  return faults

  function collision(path: string): string | undefined {
    const other = folding.add(path)
    if (other !== undefined) return `it differs from ${printable(other)} only by case`
    if (folders.has(path)) return 'it is the name of a folder there'
    const file = foldersOf(path).find(folder => files.has(folder))
    return file === undefined ? undefined : `${printable(file)} is a file and no folder`
  }
}

const forbidden = /[<>:"|?*]/
const devices = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i

function unportable(path: string): string | undefined {
  for (const step of path.split('/')) {
    const character = forbidden.exec(step)
    if (character) return `Windows cannot hold the character ${character[0]} in a name`
    if (/[. ]$/.test(step)) return 'Windows cannot hold a name that ends with a dot or a space'
    if (devices.test(step)) return `${printable(step)} is the name of a device on Windows`
  }
  return undefined
}

/** `a/b` and `a` for `a/b/c`. */
function foldersOf(path: string): readonly string[] {
  const steps = path.split('/').slice(0, -1)
  return steps.map((_, at) => steps.slice(0, at + 1).join('/'))
}
