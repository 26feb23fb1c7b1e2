// What a value of an author's is, in words for the log. Of an object only the names of its fields are told: what they hold may be
// a secret.

/** How many fields are named. */
const shownFields = 8

/** `null`, `the string "x"`, `a function`, `an object of class Client with the fields id, name`. Never throws. */
export function described(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `the string ${JSON.stringify(value)}`
    case 'function':
    case 'symbol':
      return `a ${typeof value}`
    case 'object':
      if (value === null) return 'null'
      try {
        return describedObject(value)
      } catch {
        // A proxy that refuses to be looked at.
        return 'an object'
      }
    case 'undefined':
      return 'undefined'
    default:
      return `the ${typeof value} ${value}`
  }
}

function describedObject(value: object): string {
  if (Array.isArray(value)) return `an array of ${value.length}`
  const { constructor: made } = value
  const type = typeof made === 'function' && made !== Object && made.name !== '' ? ` of class ${made.name}` : ''
  const names = Object.keys(value)
  const shown = [...names.slice(0, shownFields), ...(names.length > shownFields ? ['…'] : [])].join(', ')
  return `an object${type} ${names.length === 0 ? 'without fields' : `with the ${names.length === 1 ? 'field' : 'fields'} ${shown}`}`
}
