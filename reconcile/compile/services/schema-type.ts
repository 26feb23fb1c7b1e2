// A JSON Schema as the text of a TypeScript type: what a caller may send and what it gets back. Made of the schema and not of
// the service's own types, as those may be private, and as services that invoke each other would make TypeScript go in circles.

import { isObject, type Json, type JsonObject } from '../../../schema/json.ts'

/** @param typeName the name that stands for a `$ref` into the schema's definitions */
export function typeOfSchema(schema: Json | undefined, typeName: (definition: string) => string): string {
  const typeOf = (each: Json | undefined) => typeOfSchema(each, typeName)
  if (schema === false) return 'never'
  if (!isObject(schema)) return 'unknown'
  if (typeof schema.$ref === 'string') return typeName(schema.$ref.replace(/^#\/(definitions|\$defs)\//, ''))
  if ('const' in schema) return JSON.stringify(schema.const)
  if (Array.isArray(schema.enum)) return union(schema.enum.map(value => JSON.stringify(value)))
  const alternatives = schema.anyOf ?? schema.oneOf
  const parts = [
    ...(Array.isArray(alternatives) ? [union(alternatives.map(typeOf))] : []),
    ...(Array.isArray(schema.allOf) ? schema.allOf.map(typeOf) : []),
    ...typesOf(schema).map(type => typeOfKind(type, schema, typeOf)),
  ]
  if (parts.length === 0) return isObject(schema.not) ? 'never' : 'unknown'
  if (Array.isArray(schema.type)) return union(parts)
  const [only, ...others] = [...new Set(parts)]
  return only !== undefined && others.length === 0 ? only : [...new Set(parts)].map(grouped).join(' & ')
}

function typesOf(schema: JsonObject): string[] {
  if (Array.isArray(schema.type)) return schema.type.filter(type => typeof type === 'string')
  if (typeof schema.type === 'string') return [schema.type]
  return isObject(schema.properties) ? ['object'] : []
}

function typeOfKind(type: string, schema: JsonObject, typeOf: (schema: Json | undefined) => string): string {
  switch (type) {
    case 'integer':
      return 'number'
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
      return type
    case 'array':
      return arrayType(schema, typeOf)
    case 'object':
      return objectType(schema, typeOf)
    default:
      return 'unknown'
  }
}

/** A tuple is `prefixItems` with `items` for the rest; in draft-07 it was `items` with `additionalItems`. */
function arrayType(schema: JsonObject, typeOf: (schema: Json | undefined) => string): string {
  if (Array.isArray(schema.prefixItems)) return tuple(schema, schema.prefixItems.map(typeOf), restOf(schema.items, typeOf))
  if (Array.isArray(schema.items)) return tuple(schema, schema.items.map(typeOf), restOf(schema.additionalItems, typeOf))
  return `${grouped(typeOf(schema.items))}[]`
}

function restOf(schema: Json | undefined, typeOf: (schema: Json | undefined) => string): readonly string[] {
  return isObject(schema) ? [`...${grouped(typeOf(schema))}[]`] : []
}

function tuple(schema: JsonObject, items: readonly string[], rest: readonly string[]): string {
  const least = typeof schema.minItems === 'number' ? schema.minItems : 0
  return `[${[...items.map((item, index) => (index < least ? item : `${grouped(item)}?`)), ...rest].join(', ')}]`
}

function objectType(schema: JsonObject, typeOf: (schema: Json | undefined) => string): string {
  const properties = isObject(schema.properties) ? Object.entries(schema.properties) : []
  const required = new Set(Array.isArray(schema.required) ? schema.required : [])
  const others = isObject(schema.additionalProperties) ? typeOf(schema.additionalProperties) : null
  if (properties.length === 0) return `Record<string, ${others ?? 'unknown'}>`
  const fields = properties.map(
    ([name, property]) => `${comment(property)}${JSON.stringify(name)}${required.has(name) ? '' : '?'}: ${typeOf(property)}`,
  )
  const named = `{ ${fields.join('; ')} }`
  return others === null ? named : `${named} & Record<string, ${others}>`
}

function comment(schema: Json): string {
  if (!isObject(schema) || typeof schema.description !== 'string') return ''
  return `/** ${schema.description.replaceAll('*/', '* /').replace(/\s+/g, ' ')} */ `
}

function union(types: readonly string[]): string {
  return types.length === 0 ? 'never' : [...new Set(types)].join(' | ')
}

function grouped(type: string): string {
  return / [|&] /.test(type) ? `(${type})` : type
}
