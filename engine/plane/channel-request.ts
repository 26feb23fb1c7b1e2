// A request whose body goes straight from Node's parser to whoever reads it, without the stream between them: its buffering and its
// turns of the event loop cost more than all the plane does with a small body. Until a reader is set, and for whatever comes after
// a reader that has let go, it is the plain stream.

import { IncomingMessage } from '../node-http.ts'

export interface BodyReader {
  take(chunk: Buffer): void
  end(): void
}

export class ChannelRequest extends IncomingMessage {
  /** Set it before the body arrives, that is in the turn of the `request` event. */
  reader: BodyReader | null = null
  /** Node's own mark of a body that somebody reads. After the answer it drains one without the mark, by several turns of the stream. */
  declare _consuming: boolean
  #isWhole = false

  static {
    // Node asks it after the answer, to let the request go at once. (An accessor by name, as the types know it as a property.)
    Object.defineProperty(ChannelRequest.prototype, 'readableEnded', {
      get(this: ChannelRequest) {
        return this.#isWhole || Reflect.get(IncomingMessage.prototype, 'readableEnded', this)
      },
    })
  }

  /** The body has been read to its end, or there is none: the stream under it is left where it is, and never ends. */
  endBody(): void {
    this.reader = null
    this._consuming = true
    this.#isWhole = true
  }

  /** Called by the parser: a chunk, or null at the end. */
  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (this.#isWhole) return false
    const { reader } = this
    if (reader === null) return super.push(chunk, encoding)
    if (Buffer.isBuffer(chunk)) {
      reader.take(chunk)
      return true
    }
    reader.end()
    return this.#isWhole ? false : super.push(chunk, encoding)
  }
}
