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
  const from = `,"process":${quoted(process)},"type":"access","method":`
  // What one request has, the next often has as well: each of these is made again only where it differs.
  const timeText = remembering((time: number) => String(time), Number.NaN)
  const methodText = remembering<string>(quoted, '')
  const pathText = remembering<string>(target => quoted(pathOf(target)), '')
  const channelText = remembering<string | null>(channel => memberOf('channel', channel), null)
  const ownerText = remembering<string | null>(owner => memberOf('service', owner), null)
  const callerText = remembering<string | null>(caller => memberOf('caller', caller), null)
  const addressText = remembering<string>(quoted, '')
  return ({ method, target, status, elapsedMs, bytesIn, bytesOut, channel, service, caller, remoteAddress, cid }, time) => {
    const named = `${channelText(channel)}${ownerText(service)}${callerText(caller)}`
    return `{"level":30,"time":${timeText(time)}${from}${methodText(method)},"path":${pathText(target)},"status":${status},"elapsedMs":${hundredths(
      elapsedMs,
    )},"bytesIn":${bytesIn},"bytesOut":${bytesOut}${named},"remoteAddress":${addressText(remoteAddress)},"cid":${quoted(cid)},"msg":"Answered"}\n`
  }
}

/** `make`, which is called again only where its input is another one than last time. */
function remembering<Input>(make: (input: Input) => string, first: Input): (input: Input) => string {
  let last = first
  let text = make(first)
  return input => {
    if (input === last) return text
    last = input
    text = make(input)
    return text
  }
}

function memberOf(name: string, value: string | null): string {
  return value === null ? '' : `,"${name}":${quoted(value)}`
}

/** With two decimals. Numbers are printed by their whole parts, which is several times faster. */
function hundredths(value: number): string {
  const whole = Math.round(value * 100)
  const rest = whole % 100
  return `${Math.floor(whole / 100)}.${rest < 10 ? '0' : ''}${rest}`
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
