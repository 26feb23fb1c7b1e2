// Ends of lines: Windows writes CRLF where the tree has LF. git turns them by its own settings; a deploy turns them by what lies there.

/** Whether it is text, as git sees it: no zero byte in its first 8,000. @see gitattributes(5) */
function isText(content: Uint8Array): boolean {
  return !content.subarray(0, 8000).includes(0)
}

/** Whether it is text with a line that ends with CRLF. */
export function hasCrlf(content: Uint8Array): boolean {
  return isText(content) && asBuffer(content).includes('\r\n')
}

/** The same with LF, where it is text. */
export function withLf(content: Uint8Array): Uint8Array {
  if (!hasCrlf(content)) return content
  return new Uint8Array(Buffer.from(asBuffer(content).toString('latin1').replaceAll('\r\n', '\n'), 'latin1'))
}

function asBuffer(content: Uint8Array): Buffer {
  return Buffer.from(content.buffer, content.byteOffset, content.byteLength)
}
