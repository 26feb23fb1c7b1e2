// Server-Sent Events, read as the HTML standard writes them: https://html.spec.whatwg.org/multipage/server-sent-events.html

export interface StreamEvent {
  readonly type: string
  readonly id: string
  readonly data: string
}

/** One event larger than this is no event of ours. */
const maxEventLength = 16 * 1024 * 1024

/** @throws RangeError for an event without an end */
export async function* eventsIn(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    const blocks = rest.split('\n\n')
    rest = blocks.pop() ?? ''
    if (rest.length > maxEventLength) throw new RangeError(`an event is larger than ${maxEventLength} characters`)
    for (const block of blocks) {
      const event = eventOf(block)
      if (event !== null) yield event
    }
  }
}

/** Null for a comment and for what has no data. */
function eventOf(block: string): StreamEvent | null {
  const fields = { event: 'message', id: '', data: null as string | null } // null until there is some
  for (const line of block.split('\n')) {
    const [, name = '', value = ''] = /^(event|id|data): ?(.*)$/.exec(line) ?? []
    if (name === 'data') fields.data = fields.data === null ? value : `${fields.data}\n${value}`
    else if (name === 'event' || name === 'id') fields[name] = value
  }
  return fields.data === null ? null : { type: fields.event, id: fields.id, data: fields.data }
}
