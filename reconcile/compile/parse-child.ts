// The process in which YAML is parsed, so that an input that hangs or kills its parser hurts nothing else.
// One message per file: { id, bytes } in, { id, text } out, where `text` is a `Parsed` as JSON, ready for the disk cache.

import { parseYaml } from './parse.ts'

process.title = 'plumb parse'
process.on('message', message => {
  const { id, bytes } = message as { id: number; bytes: Uint8Array } // sent by parser.ts only
  process.send?.({ id, text: JSON.stringify(parseYaml(bytes)) })
})
process.on('disconnect', () => process.exit(0))
