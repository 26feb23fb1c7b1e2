// A request whose body goes straight from Node's parser to whoever reads it, without the stream between them: its buffering and its
// turns of the event loop cost more than all the plane does with a small body. Until a reader is set, and for whatever comes after
// the reader has let go, it is the plain stream.

import { IncomingMessage } from 'node:http'

export interface BodyReader {
  take(chunk: Buffer): void
  end(): void
}

export class ChannelRequest extends IncomingMessage {
  /** Set it before the body arrives, that is in the turn of the `request` event. */
  reader: BodyReader | null = null

  /** Called by the parser: a chunk, or null at the end. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    const { reader } = this
    if (reader === null) return super.push(chunk, encoding)
    if (Buffer.isBuffer(chunk)) {
      reader.take(chunk)
      return true
    }
    reader.end()
    return super.push(chunk, encoding)
  }
}
