// The bytes of a YAML file as text, and what no text may hold.

import type { Refusal } from './document.ts'

export function decode(bytes: Uint8Array): string | Refusal {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    // The decoder does not say where; the bytes before the first wrong one decode to as many lines as they have.
    const { line, column, byte } = firstInvalid(bytes)
    const hex = byte.toString(16).toUpperCase().padStart(2, '0')
    return {
      code: 'FORBIDDEN_CHARACTER',
      line,
      column,
      message: `Cannot read this file as it is not UTF-8: byte 0x${hex}; save it as UTF-8`,
    }
  }
}

function firstInvalid(bytes: Uint8Array): { line: number; column: number; byte: number } {
  const marked = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  // A file may hold U+FFFD itself, rightly encoded as EF BF BD; the wrong byte is the first replacement that is not.
  let offset = 0
  for (let index = 0; index < marked.length; index++) {
    const code = marked.codePointAt(index) ?? 0
    if (code === 0xfffd && !(bytes[offset] === 0xef && bytes[offset + 1] === 0xbf && bytes[offset + 2] === 0xbd)) {
      const before = marked.slice(0, index)
      return { line: before.split('\n').length, column: index - before.lastIndexOf('\n'), byte: bytes[offset] ?? 0 }
    }
    offset += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    if (code > 0xffff) index++
  }
  return { line: 1, column: 1, byte: bytes[0] ?? 0 }
}

export function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

// Control characters but tab, line feed and carriage return, and the marks that turn the direction of text (they hide what a reviewer reads).
export const forbiddenInText = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFFFE\uFFFF]/
// An escape such as "\0" or "\u202E" builds them behind the first check's back.
export const forbiddenInValue = /[\u0000\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/

export function forbiddenMessage(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
  return `Cannot read this file as it holds a character that is not accepted: U+${code}; remove it`
}
