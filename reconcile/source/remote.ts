// Which remotes and refs are accepted. Both come from the operator's configuration, yet they are checked by grammar before git sees
// them, because a URL or a ref that begins with "-" or names a transport helper makes git run commands
// (`--upload-pack=…`, `ext::sh -c …`, `ssh://-oProxyCommand=…`).

import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import { SourceError } from './source-error.ts'

/** A remote that passed the grammar. */
export interface Remote {
  readonly url: string
  /** For messages: scheme, host and path, nothing that could be a credential. */
  readonly shown: string
  /** For `GIT_ALLOW_PROTOCOL`. */
  readonly protocols: string
}

const hostGrammar = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/i
const userGrammar = /^[a-z0-9_][a-z0-9_.-]*$/i
const scpGrammar = /^([^@/:\s]+)@([^@/:\s]+):(?!:)(.+)$/
const pathGrammar = /^[\x21-\x7e]+$/
const loopback = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * @param allowLocal accepts a path of this machine, `file://`, and plain `http://` to a loopback address
 * @throws SourceError `refused`
 */
export function remoteOf(text: string, allowLocal: boolean): Remote {
  if (/[\u0000-\u0020\u007f]/u.test(text) || text === '' || text.startsWith('-'))
    refuse('it is empty, begins with "-" or holds white space')
  if (isAbsolute(text)) return localRemote(pathToFileURL(text), allowLocal)
  const scp = scpGrammar.exec(text)
  if (scp) return remoteOf(`ssh://${scp[1]}@${scp[2]}/${(scp[3] ?? '').replace(/^\//, '')}`, allowLocal)
  if (!URL.canParse(text)) return refuse('it is no URL')
  const url = new URL(text)
  if (url.protocol === 'file:') return localRemote(url, allowLocal)
  return networkRemote(url, allowLocal)
}

/** `prod` names the branch `refs/heads/prod`; a full ref under `refs/heads/` or `refs/tags/` stands as it is. */
export function fullRefOf(text: string): string {
  const full = text.startsWith('refs/') ? text : `refs/heads/${text}`
  const wellFormed =
    /^refs\/(?:heads|tags)\/[^\s~^:?*[\\\u0000-\u0020\u007f]+$/u.test(full) &&
    full.length <= 250 &&
    !/\.\.|@\{|\/\/|\/\.|\/-|\.lock(?:\/|$)|[./]$|^-/.test(full)
  if (!wellFormed || text.startsWith('-')) {
    throw new SourceError(
      'refused',
      `Cannot follow the ref ${JSON.stringify(text)} as its form is not accepted; a ref is a branch name such as "main", or a full ref under refs/heads/ or refs/tags/`,
    )
  }
  return full
}

function localRemote(url: URL, allowLocal: boolean): Remote {
  if (!allowLocal) refuse('it lies on this machine; "allowLocal: true" accepts it')
  if (url.host !== '' && url.host !== 'localhost') refuse('a file URL names no host')
  const bare = `file://${url.pathname}`
  return { url: bare, shown: bare, protocols: 'file' }
}

function networkRemote(url: URL, allowLocal: boolean): Remote {
  const isLoopbackHttp = url.protocol === 'http:' && allowLocal && loopback.has(url.hostname)
  if (url.protocol !== 'https:' && url.protocol !== 'ssh:' && !isLoopbackHttp) refuse(`its scheme is "${url.protocol.slice(0, -1)}"`)
  if (url.password !== '') refuse('it holds a password; keep credentials out of URLs')
  if (url.username !== '' && url.protocol !== 'ssh:') refuse('it holds a user name or a token; keep credentials out of URLs')
  if (url.username !== '' && !userGrammar.test(url.username)) refuse('its user name is not accepted')
  if (!hostGrammar.test(url.hostname)) refuse('its host name is not accepted')
  if (url.search !== '' || url.hash !== '') refuse('it holds a query or a fragment')
  if (!pathGrammar.test(url.pathname) || /%(?:0|1|7f)/i.test(url.pathname) || url.pathname.startsWith('/-'))
    refuse('its path is not accepted')
  return { url: url.href, shown: `${url.protocol}//${url.host}${url.pathname}`, protocols: url.protocol.slice(0, -1) }
}

// The text is not repeated: a mistyped URL is where a token is found most often.
function refuse(why: string): never {
  throw new SourceError(
    'refused',
    `Cannot use the source URL as ${why}; accepted are https://host/path, ssh://user@host/path and user@host:path, and a path of this machine where "allowLocal" is set`,
  )
}
