// JSON Schema of the types a service is declared with, by ts-json-schema-generator over a Program of our own cached files.
// Decisions: docs/decisions/models.md.

import {
  AnyType,
  BaseError,
  type BaseType,
  type CompletedConfig,
  createFormatter,
  createParser,
  DEFAULT_CONFIG,
  SchemaGenerator,
} from 'ts-json-schema-generator'
import ts from 'typescript'
import { isObject, type Json, type JsonObject } from '../../../schema/json.ts'
import type { DerivedModel, PlacedFlaw, SourceRef, WantedModel } from './child-protocol.ts'
import { findServices } from './find-services.ts'
import { placeOf } from './place.ts'
import { baseOptions, estateRoot, type SourceFiles } from './source-files.ts'

const config: CompletedConfig = {
  ...DEFAULT_CONFIG,
  // A caller may send more than the type names, as TypeScript itself accepts it.
  additionalProperties: true,
  topRef: false,
  functions: 'fail',
  skipTypeCheck: true,
  encodeRefs: false,
}

/**
 * @param files the wanted files and all that they import, types included
 * @param begins called with the index of each wanted model before it is derived
 */
export function deriveModels(
  { files, wanted }: { files: readonly SourceRef[]; wanted: readonly WantedModel[] },
  sources: SourceFiles,
  begins: (index: number) => void,
): DerivedModel[] {
  const roots = [...new Set(wanted.map(({ path }) => estateRoot + path))]
  const program = ts.createProgram({ rootNames: roots, options: baseOptions, host: sources.host(files) })
  return wanted.map((model, index) => {
    begins(index)
    return deriveModel(program, model)
  })
}

function deriveModel(program: ts.Program, { path, exportName, side }: WantedModel): DerivedModel {
  const file = program.getSourceFile(estateRoot + path)
  const service = file && findServices(file).services.find(each => each.fact.exportName === exportName)
  const type = side === 'input' ? service?.inputType : service?.outputType
  if (!file || !type) throw new Error(`Cannot derive the ${side} of ${path} ${exportName} as its type was not found a second time`)
  const flaws: PlacedFlaw[] = []
  const warn = (node: ts.Node) =>
    flaws.push(flawAt(node, type, 'warning', 'accepts every value as its type is `any`; say what it is, or `unknown`'))
  try {
    const parser = createParser(program, config, chain => void chain.addNodeParser(new Guard(program.getTypeChecker(), warn)))
    const schema = new SchemaGenerator(program, parser, createFormatter(config), config).createSchemaFromNodes([type])
    return { schema: tidy(JSON.parse(JSON.stringify(schema))), flaws }
  } catch (error) {
    return { schema: null, flaws: [...flaws, flawOf(error, type)] }
  }
}

class RefusedType extends Error {
  readonly node: ts.Node

  constructor(node: ts.Node, why: string) {
    super(why)
    this.node = node
  }
}

// Types of TypeScript's own library that the generator gives a JSON form; other ones with methods have none.
const servedLibraryTypes = new Set(['Array', 'ReadonlyArray', 'Date', 'RegExp', 'URL', 'Promise', 'PromiseLike'])

/** Comes before the generator's own parsers and refuses what they would leave out in silence. */
class Guard {
  readonly #checker: ts.TypeChecker
  readonly #warn: (node: ts.Node) => void

  constructor(checker: ts.TypeChecker, warn: (node: ts.Node) => void) {
    this.#checker = checker
    this.#warn = warn
  }

  supportsNode(node: ts.Node): boolean {
    return node.kind === ts.SyntaxKind.AnyKeyword || this.#refusal(node) !== null
  }

  createType(node: ts.Node): BaseType {
    const why = this.#refusal(node)
    if (why !== null) throw new RefusedType(node, why)
    this.#warn(node)
    return new AnyType()
  }

  #refusal(node: ts.Node): string | null {
    if (node.kind === ts.SyntaxKind.SymbolKeyword) return 'a symbol has no JSON form'
    if (node.kind === ts.SyntaxKind.BigIntKeyword || ts.isBigIntLiteral(node)) return 'a bigint has no JSON form; use number or string'
    if (ts.isFunctionTypeNode(node) || ts.isConstructorTypeNode(node)) return 'a function has no JSON form'
    if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node) || ts.isTypeLiteralNode(node)) {
      const method = node.members.find(member => ts.isMethodSignature(member) || ts.isMethodDeclaration(member) || ts.isAccessor(member))
      return method ? `"${method.name?.getText() ?? 'a member'}" is a method, which has no JSON form` : null
    }
    return ts.isTypeReferenceNode(node) ? this.#refusalOfReference(node) : null
  }

  #refusalOfReference(node: ts.TypeReferenceNode): string | null {
    if (node.pos < 0) return null
    const name = node.typeName.getText()
    const symbol = this.#checker.getSymbolAtLocation(node.typeName)
    if (!symbol) return `"${name}" is not declared`
    const target = symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol
    const declarations = target.declarations ?? []
    if (declarations.length === 0) return `"${name}" is imported from outside the estate, or its module does not export it`
    if (servedLibraryTypes.has(name) || declarations.some(each => each.getSourceFile().fileName.startsWith(estateRoot))) return null
    const hasMethods = declarations.some(
      each => ts.isInterfaceDeclaration(each) && each.members.some(member => ts.isMethodSignature(member)),
    )
    return hasMethods ? `"${name}" has methods and no JSON form` : null
  }
}

/** Without what says nothing: `$schema`, and an empty list of definitions. */
function tidy(schema: Json): JsonObject | null {
  if (!isObject(schema)) return null
  const { $schema: _, definitions, ...rest } = schema
  return isObject(definitions) && Object.keys(definitions).length > 0 ? { ...rest, definitions } : rest
}

function flawOf(error: unknown, type: ts.TypeNode): PlacedFlaw {
  const refused = causes(error).find(each => each instanceof RefusedType)
  if (refused) return flawAt(refused.node, type, 'error', `has no JSON Schema: ${refused.message}`)
  if (!(error instanceof BaseError)) throw error
  const { file, start } = error.diagnostic
  const why = `has no JSON Schema: ${error.message}`
  if (!file?.fileName.startsWith(estateRoot)) return flawAt(type, type, 'error', why)
  return { ...flawAt(type, type, 'error', why), path: file.fileName.slice(estateRoot.length), ...placeOf(file, start ?? 0) }
}

function causes(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causes(error.cause)] : []
}

/** At `node` where it stands in the estate, else at the type the service names. */
function flawAt(node: ts.Node, type: ts.TypeNode, severity: 'error' | 'warning', why: string): PlacedFlaw {
  const inEstate = node.pos >= 0 && node.getSourceFile()?.fileName.startsWith(estateRoot)
  const shown = inEstate ? node : type
  const file = shown.getSourceFile()
  const text = type.getText().replace(/\s+/g, ' ').slice(0, 60)
  return {
    code: 'MODEL_TYPE',
    severity,
    message: severity === 'error' ? `Cannot use \`${text}\` as a model as it ${why}` : `Model \`${text}\` ${why}`,
    path: file.fileName.slice(estateRoot.length),
    ...placeOf(file, shown.getStart(file)),
  }
}
