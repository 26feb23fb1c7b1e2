// What the YAML library finds wrong, in sentences of ours.

/** The library's own messages may quote the file, and what they quote may be a password: these sentences never do. */
export function syntaxMessage(code: string): string {
  return `Cannot read this file as ${sentences[code] ?? 'its YAML is not well formed here'}`
}

const sentences: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias has a tag or an anchor of its own; write the alias alone',
  BAD_ALIAS: 'an anchor or alias has no valid name; quote a text that starts with "*" or "&"',
  BAD_DIRECTIVE: 'a line that starts with "%" is no known directive; quote the text or remove the line',
  BAD_DQ_ESCAPE: 'a double-quoted text holds an unknown escape; double the backslash or use single quotes',
  BAD_INDENT: 'a line is indented differently from its neighbours; align it with the entries it belongs to',
  BAD_PROP_ORDER: 'a tag or anchor stands in the wrong place; put it right before its value',
  BAD_SCALAR_START: 'a text starts with a character that YAML reserves; put the text in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'a mapping stands where a single value belongs; put a text with ": " in quotes, or indent the mapping on its own lines',
  BLOCK_IN_FLOW: 'an indented block stands inside brackets; close the brackets first',
  IMPOSSIBLE: 'its YAML is not well formed here',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters; shorten it',
  MISSING_CHAR: 'a closing quote, bracket, comma, colon or space is missing; add it',
  MULTILINE_IMPLICIT_KEY: 'a key goes over more than one line; a colon or a quote is missing',
  MULTIPLE_ANCHORS: 'a value has more than one anchor; keep one',
  MULTIPLE_TAGS: 'a value has more than one tag; keep one',
  TAB_AS_INDENT: 'a line is indented with a tab; use spaces',
  TAG_RESOLVE_FAILED: 'it uses a tag that is not accepted; remove the "!" tag and write the value plainly',
  UNEXPECTED_TOKEN: 'something stands where it does not belong; check the quotes and the indentation',
}
