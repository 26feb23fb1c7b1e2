// As much of the Redis protocol (RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec) as a server of a few commands
// speaks: commands come as arrays of bulk strings, replies go as text.

/** What a command is answered; text is a bulk string, a status a simple one. */
export type Reply = string | number | null | Error | { readonly status: string } | readonly Reply[]

/** Commands out of chunks of bytes. */
export class CommandReader {
  #rest: Buffer = Buffer.alloc(0)

  /** The commands that are whole, as their words. */
  read(chunk: Buffer): string[][] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const commands: string[][] = []
    for (;;) {
      const found = commandIn(this.#rest)
      if (found === null) return commands
      commands.push(found.words)
      this.#rest = this.#rest.subarray(found.end)
    }
  }
}

function commandIn(bytes: Buffer): { words: string[]; end: number } | null {
  const head = lineIn(bytes, 0)
  if (head === null) return null
  const words: string[] = []
  let at = head.end
  for (let left = Number(head.text.slice(1)); left > 0; left--) {
    const size = lineIn(bytes, at)
    if (size === null) return null
    const end = size.end + Number(size.text.slice(1))
    if (bytes.length < end + 2) return null
    words.push(bytes.toString('utf8', size.end, end))
    at = end + 2
  }
  return { words, end: at }
}

function lineIn(bytes: Buffer, from: number): { text: string; end: number } | null {
  const end = bytes.indexOf('\r\n', from)
  return end < 0 ? null : { text: bytes.toString('latin1', from, end), end: end + 2 }
}

export function replyText(reply: Reply): string {
  if (reply === null || reply === undefined) return '$-1\r\n'
  if (typeof reply === 'number') return Number.isInteger(reply) ? `:${reply}\r\n` : replyText(String(reply))
  if (reply instanceof Error) return `-${/^[A-Z]{2,} /.test(reply.message) ? '' : 'ERR '}${reply.message.replace(/[\r\n]+/g, ' ')}\r\n`
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(replyText).join('')}`
  if (typeof reply === 'object' && 'status' in reply) return `+${reply.status}\r\n`
  const text = typeof reply === 'string' ? reply : JSON.stringify(reply)
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}
