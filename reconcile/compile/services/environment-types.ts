// The text of `environment.d.ts`: the names an environment declares, as types, so that a misspelt connection or a wrong payload is an
// error in the editor. It augments the interfaces that the SDK leaves open.

import { isObject, type JsonObject } from '../../../schema/json.ts'
import type { CompiledService } from '../desired.ts'
import { typeOfSchema } from './schema-type.ts'

export interface TypedEnvironment {
  readonly connections: readonly { readonly method: string; readonly name: string }[]
  readonly services: readonly Pick<CompiledService, 'name' | 'description' | 'input' | 'output'>[]
  /** Every client method there is: one without a connection takes no name. Default: the methods of `connections`. */
  readonly methods?: readonly string[]
}

/** Equal environments give equal text: names are sorted, and nothing of the machine or the time is in it. */
export function environmentTypes({ connections, services, methods = [] }: TypedEnvironment): string {
  const aliases = new Aliases()
  const byName = [...services].sort((a, b) => (a.name < b.name ? -1 : 1))
  const members = byName.map(({ name, description, input, output }) => {
    const lines = description === null ? [] : [`    /** ${description.replaceAll('*/', '* /').replace(/\s+/g, ' ')} */`]
    lines.push(
      `    ${JSON.stringify(name)}: { input: ${aliases.typeOf(name, 'Input', input)}; output: ${aliases.typeOf(name, 'Output', output)} }`,
    )
    return lines.join('\n')
  })
  return `${[
    '// Written by `plumb types`. Names and payloads of the environment, for the editor and `plumb validate --types`.',
    '',
    'export {}',
    '',
    ...aliases.lines,
    "declare module 'plumb-server' {",
    '  interface Connections {',
    ...connectionLines(connections, methods),
    '  }',
    '  interface Services {',
    ...members,
    '  }',
    '}',
  ].join('\n')}\n`
}

function connectionLines(connections: TypedEnvironment['connections'], methods: readonly string[]): string[] {
  const names = Map.groupBy(connections, ({ method }) => method)
  return [...new Set([...methods, ...names.keys()])].sort().map(method => {
    const literals = new Set((names.get(method) ?? []).map(({ name }) => JSON.stringify(name)))
    return `    ${method}: ${literals.size === 0 ? 'never' : [...literals].sort().join(' | ')}`
  })
}

/** Named types for what a schema defines, so that one that contains itself can be written down. */
class Aliases {
  readonly lines: string[] = []
  readonly #taken = new Set<string>()

  typeOf(service: string, side: 'Input' | 'Output', schema: JsonObject | null): string {
    if (schema === null) return 'unknown'
    const definitions = [schema.definitions, schema.$defs].flatMap(each => (isObject(each) ? Object.entries(each) : []))
    const names = new Map(definitions.map(([name]) => [name, this.#take(`${service} ${side} ${name}`)]))
    const root = this.#take(`${service} ${side}`)
    const typeName = (definition: string) => (definition === '#' ? root : (names.get(definition) ?? 'unknown'))
    for (const [name, definition] of definitions) this.lines.push(`type ${names.get(name)} = ${typeOfSchema(definition, typeName)}`)
    this.lines.push(`type ${root} = ${typeOfSchema(schema, typeName)}`)
    return root
  }

  #take(text: string): string {
    const words = text.split(/[^\p{L}\p{N}]+/u).filter(word => word !== '')
    const base =
      words
        .map(word => word.charAt(0).toUpperCase() + word.slice(1))
        .join('')
        .replace(/^(?=\p{N})/u, '_') || '_'
    let name = base
    for (let count = 2; this.#taken.has(name); count++) name = `${base}${count}`
    this.#taken.add(name)
    return name
  }
}
