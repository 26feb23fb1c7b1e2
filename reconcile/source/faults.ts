// What git's stderr means. git tells the classes of failure apart only in prose (LC_ALL=C keeps it English), so the prose is matched
// here and nowhere else, and none of it is passed on: it may quote a URL with credentials.

import { SourceError, type SourceFault } from './source-error.ts'

const meanings: readonly (readonly [RegExp, SourceFault, string])[] = [
  [/couldn't find remote ref|Remote branch .* not found/, 'ref-missing', 'the ref does not exist there'],
  [
    /Authentication failed|could not read Username|could not read Password|Permission denied|publickey|returned error: 40[13]|Host key verification failed|access denied/i,
    'auth',
    'the remote refused the login or its host key is not known',
  ],
  [/unable to update url base from redirection|returned error: 30\d/, 'refused', 'the remote redirects elsewhere, which is not followed'],
  [/transport '.*' not allowed|protocol '.*' is not supported|Unable to find remote helper/, 'refused', 'the protocol is not allowed'],
  [/dubious ownership/, 'auth', 'the repository on this machine belongs to another user'],
  [/fsck error|hasDotdot|hasDotgit|fullPathname|nullSha1/i, 'refused', 'the repository holds objects that git itself calls malformed'],
  [
    /Could not resolve host|Connection refused|Failed to connect|Couldn't connect|unable to connect|Connection timed out|No route to host|Network is unreachable|Connection reset|Operation too slow|Operation timed out|returned error: 5\d\d|does not exist|No such file or directory|does not appear to be a git repository|not a git repository|returned error: 404|repository .* not found/i,
    'unreachable',
    'the remote does not answer, or has no repository there',
  ],
]

/** @param what completes "Cannot …": `fetch refs/heads/main from https://…` */
export function gitFault(what: string, stderr: string): SourceError {
  const [, kind, why] =
    meanings.find(([pattern]) => pattern.test(stderr)) ?? ([null, 'garbage', 'the remote answered with something that is not git'] as const)
  return new SourceError(kind, `Cannot ${what} as ${why}`)
}
