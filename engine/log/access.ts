// One line for each request, built by hand: nothing of the log costs a request more than this.

export interface Access {
  readonly method: string
  /** The target as it came; what is behind `?` is left out. */
  readonly target: string
  readonly status: number
  readonly elapsedMs: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly channel: string | null
  readonly service: string | null
  /** Name of the credential it was let in by. */
  readonly caller: string | null
  readonly remoteAddress: string
  readonly cid: string
}

const maxPathLength = 1_024

/** Makes lines of `process`, each with its newline. `time` in milliseconds since 1970. */
export function createAccessLines(process: string): (access: Access, time: number) => string {
  const middle = `,"process":${quoted(process)},"type":"access","method":`
  return (access, time) => {
    const { channel, service, caller } = access
    const channelPart = channel === null ? '' : `,"channel":${quoted(channel)}`
    const servicePart = service === null ? '' : `,"service":${quoted(service)}`
    const callerPart = caller === null ? '' : `,"caller":${quoted(caller)}`
    return `{"level":30,"time":${time}${middle}${quoted(access.method)},"path":${quoted(pathOf(access.target))},"status":${access.status},"elapsedMs":${
      Math.round(access.elapsedMs * 100) / 100
    },"bytesIn":${access.bytesIn},"bytesOut":${access.bytesOut}${channelPart}${servicePart}${callerPart},"remoteAddress":${quoted(
      access.remoteAddress,
    )},"cid":${quoted(access.cid)},"msg":"Answered"}\n`
  }
}

/** Without query, and without what may stand before the path: a target in absolute form can name a user. */
function pathOf(target: string): string {
  const path = target.startsWith('/') ? target : target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  const end = path.search(/[?#]/)
  const whole = end < 0 ? path : path.slice(0, end)
  return whole.length > maxPathLength ? `${whole.slice(0, maxPathLength)}…` : whole
}

function quoted(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text)
}

const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
