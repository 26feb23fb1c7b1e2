// JSON Schema of the types a service is declared with, by ts-json-schema-generator over a Program of our own cached files.
// Decisions: docs/decisions/models.md.

import {
  AnyType,
  BaseError,
  type BaseType,
  type CompletedConfig,
  Context,
  createFormatter,
  createParser,
  DEFAULT_CONFIG,
  ExtendedAnnotationsReader,
  MultipleDefinitionsError,
  type NodeParser,
  SchemaGenerator,
} from 'ts-json-schema-generator'
import ts from 'typescript'
import { isObject, type Json, type JsonObject } from '../../../schema/json.ts'
import type { DerivedModel, PlacedFlaw, SourceRef, WantedModel } from './child-protocol.ts'
import { findServices } from './find-services.ts'
import { placeOf } from './place.ts'
import { baseOptions, estateRoot, type SourceFiles } from './source-files.ts'
import { tidySchema } from './tidy-schema.ts'

const config: CompletedConfig = {
  ...DEFAULT_CONFIG,
  // A caller may send more than the type names, as TypeScript itself accepts it.
  additionalProperties: true,
  topRef: false,
  // Refused by the guard where they are written; inferred types pass through functions on their way to something else.
  functions: 'comment',
  skipTypeCheck: true,
  encodeRefs: false,
}

type ProblemOf = (schema: JsonObject) => string | null

interface ModelTools {
  readonly sources: SourceFiles
  /** Called with the index of each wanted model before it is derived. */
  readonly begins: (index: number) => void
  /** Why a schema cannot serve as a model; null where it can. */
  readonly problemOf: ProblemOf
}

/** @param files the wanted files and all that they import, types included */
export function deriveModels(
  { files, wanted }: { files: readonly SourceRef[]; wanted: readonly WantedModel[] },
  { sources, begins, problemOf }: ModelTools,
): DerivedModel[] {
  const roots = [...new Set(wanted.map(({ path }) => estateRoot + path))]
  const program = ts.createProgram({ rootNames: roots, options: baseOptions, host: sources.host(files) })
  return wanted.map((model, index) => {
    begins(index)
    return deriveModel(program, model, problemOf)
  })
}

function deriveModel(program: ts.Program, { path, exportName, side }: WantedModel, problemOf: ProblemOf): DerivedModel {
  const file = program.getSourceFile(estateRoot + path)
  const service = file && findServices(file).services.find(each => each.fact.exportName === exportName)
  const type = side === 'input' ? service?.inputType : service?.outputType
  if (!file || !type) throw new Error(`Cannot derive the ${side} of ${path} ${exportName} as its type was not found a second time`)
  const warnings = new Map<ts.Node, PlacedFlaw>()
  const warn = (node: ts.Node, why: string) => void warnings.set(node, flawAt(node, type, 'warning', why))
  const tagged = new Set<ts.Declaration>()
  const generate = (config: CompletedConfig) => {
    const checker = program.getTypeChecker()
    const parser: NodeParser = createParser(program, config, chain => {
      chain.addNodeParser(new Guard(checker, { warn, tagged }))
      chain.addNodeParser(new Resolved(checker, node => parser.createType(node, new Context())))
    })
    const schema = new SchemaGenerator(program, parser, createFormatter(config), config).createSchemaFromNodes([type])
    return tidySchema(JSON.parse(JSON.stringify(schema)))
  }
  try {
    const schema = generateEither(generate)
    const why = unservedPart(schema)
    if (why !== null) throw new RefusedType({ node: type, why })
    const problem = problemOf(schema)
    if (problem !== null) {
      const wrong = wrongTags(tagged, program.getTypeChecker(), problemOf).map(each => flawOfTags(each, type))
      return { schema: null, flaws: [...warnings.values(), ...(wrong.length > 0 ? wrong : [flawOfSchema(problem, type)])] }
    }
    return { schema, flaws: [...warnings.values()] }
  } catch (error) {
    return { schema: null, flaws: [...warnings.values(), flawOf(error, type)] }
  }
}

/** Two types of one name from two files cannot both be definitions; then they are written out where they are used. */
function generateEither(generate: (config: CompletedConfig) => JsonObject): JsonObject {
  try {
    return generate(config)
  } catch (error) {
    if (!causes(error).some(each => each instanceof MultipleDefinitionsError)) throw error
    return generate({ ...config, expose: 'none' })
  }
}

class RefusedType extends Error {
  readonly node: ts.Node

  constructor({ node, why }: Refusal) {
    super(why)
    this.node = node
  }
}

interface Refusal {
  readonly node: ts.Node
  readonly why: string
}

// Types of TypeScript's own library that the generator gives a JSON form; other ones with methods have none.
const servedLibraryTypes = new Set(['Array', 'ReadonlyArray', 'Date', 'RegExp', 'URL', 'Promise', 'PromiseLike'])

/** Comes before the generator's own parsers and refuses what they would leave out in silence. Judges nodes of the estate alone. */
class Guard {
  readonly #checker: ts.TypeChecker
  readonly #warn: (node: ts.Node, why: string) => void
  readonly #tagged: Set<ts.Declaration>

  /** @param tagged receives what may carry a constraint in its comment */
  constructor(checker: ts.TypeChecker, { warn, tagged }: { warn: (node: ts.Node, why: string) => void; tagged: Set<ts.Declaration> }) {
    this.#checker = checker
    this.#warn = warn
    this.#tagged = tagged
  }

  supportsNode(node: ts.Node): boolean {
    if (!isInEstate(node)) return false
    if (hasMembers(node)) this.#warnOfUnreadComments(node)
    if (ts.isTypeAliasDeclaration(node)) this.#tagged.add(node)
    if (hasMembers(node)) for (const each of [node, ...node.members]) this.#tagged.add(each)
    return node.kind === ts.SyntaxKind.AnyKeyword || this.#refusal(node) !== null
  }

  createType(node: ts.Node): BaseType {
    const refusal = this.#refusal(node)
    if (refusal) throw new RefusedType(refusal)
    this.#warn(node, 'accepts every value here as its type is `any`; say what it is, or `unknown`')
    return new AnyType()
  }

  #refusal(node: ts.Node): Refusal | null {
    const refuse = (why: string, at = node): Refusal => ({ node: at, why })
    if (node.kind === ts.SyntaxKind.SymbolKeyword) return refuse('a symbol has no JSON form')
    if (node.kind === ts.SyntaxKind.BigIntKeyword || ts.isBigIntLiteral(node))
      return refuse('a bigint has no JSON form; use number or string')
    if (ts.isFunctionTypeNode(node) || ts.isConstructorTypeNode(node)) return refuse('a function has no JSON form')
    if (hasMembers(node)) {
      const member = node.members.find(each => ts.isMethodSignature(each) || ts.isMethodDeclaration(each) || ts.isAccessor(each))
      return member ? refuse(`"${member.name?.getText()}" is a method or accessor, which has no JSON form`, member) : null
    }
    if (ts.isTupleTypeNode(node)) return this.#refusalOfTuple(node)
    return ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node) ? this.#refusalOfReference(node) : null
  }

  /** The generator would put what follows a rest before it, and leave out what a spread tuple holds. */
  #refusalOfTuple(node: ts.TupleTypeNode): Refusal | null {
    for (const [index, element] of node.elements.entries()) {
      if (!ts.isRestTypeNode(element) && !(ts.isNamedTupleMember(element) && element.dotDotDotToken)) continue
      if (index < node.elements.length - 1) return { node: element, why: 'only the last element of a tuple can be a rest' }
      if (!this.#checker.isArrayType(this.#checker.getTypeFromTypeNode(element.type)))
        return { node: element, why: 'the rest of a tuple can only be a list; write out its elements' }
    }
    return null
  }

  #refusalOfReference(node: ts.TypeReferenceNode | ts.ExpressionWithTypeArguments): Refusal | null {
    const nameNode = ts.isTypeReferenceNode(node) ? node.typeName : node.expression
    const name = nameNode.getText()
    const symbol = this.#checker.getSymbolAtLocation(nameNode)
    if (!symbol) return { node, why: `"${name}" is not declared` }
    const target = symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol
    const declarations = target.declarations ?? []
    if (declarations.length === 0) return { node, why: `"${name}" is imported from outside the estate, or its module does not export it` }
    if (servedLibraryTypes.has(name) || declarations.some(isInEstate)) return null
    const hasMethods = declarations.some(each => ts.isInterfaceDeclaration(each) && each.members.some(ts.isMethodSignature))
    return hasMethods ? { node, why: `"${name}" has methods and no JSON form` } : null
  }

  /** TypeScript gives a comment on the line of what stands before it to nobody, and a constraint in it would be lost in silence. */
  #warnOfUnreadComments(node: WithMembers): void {
    const text = node.getSourceFile().text
    for (const member of node.members)
      if (ts.getTrailingCommentRanges(text, member.pos)?.some(({ pos }) => text.startsWith('/**', pos) && pos < member.getStart()))
        this.#warn(member, `loses the comment of "${member.name?.getText()}" as it does not begin on a line of its own; move it there`)
  }
}

type WithMembers = ts.InterfaceDeclaration | ts.ClassDeclaration | ts.TypeLiteralNode

function hasMembers(node: ts.Node): node is WithMembers {
  return ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node) || ts.isTypeLiteralNode(node)
}

function isInEstate(node: ts.Node): boolean {
  // Nodes that the generator or checker made up have no place, and may have no file.
  return node.pos >= 0 && (node.getSourceFile()?.fileName.startsWith(estateRoot) ?? false)
}

// Of these the generator knows less than the checker.
const resolvedByChecker = new Set(['NonNullable', 'ReturnType', 'Awaited', 'Parameters', 'InstanceType'])

/** Utility types that the checker works out first, as far as they do not depend on a type parameter. */
class Resolved {
  readonly #checker: ts.TypeChecker
  readonly #parse: (node: ts.Node) => BaseType

  constructor(checker: ts.TypeChecker, parse: (node: ts.Node) => BaseType) {
    this.#checker = checker
    this.#parse = parse
  }

  supportsNode(node: ts.Node): boolean {
    if (!isInEstate(node) || !ts.isTypeReferenceNode(node) || !resolvedByChecker.has(node.typeName.getText())) return false
    return !this.#dependsOnParameter(node) && this.#checker.getSymbolAtLocation(node.typeName)?.declarations?.some(isInEstate) === false
  }

  createType(node: ts.TypeReferenceNode): BaseType {
    const type = this.#checker.getTypeFromTypeNode(node)
    const written = this.#checker.typeToTypeNode(type, node, ts.NodeBuilderFlags.NoTruncation)
    if (!written || ts.isTypeReferenceNode(written)) {
      const declaration = type.getSymbol()?.declarations?.[0]
      if (declaration && !type.aliasSymbol) return this.#parse(declaration)
    }
    if (!written) throw new RefusedType({ node, why: 'it cannot be worked out' })
    return this.#parse(written)
  }

  #dependsOnParameter(node: ts.Node): boolean {
    if (ts.isTypeReferenceNode(node) && (this.#checker.getTypeFromTypeNode(node).flags & ts.TypeFlags.TypeParameter) !== 0) return true
    return ts.forEachChild(node, child => this.#dependsOnParameter(child) || undefined) ?? false
  }
}

/** What the generator writes for a function that it reached through an inferred type, and for a type that it could not infer. */
function unservedPart(schema: Json): string | null {
  if (Array.isArray(schema)) return firstOf(schema)
  if (!isObject(schema)) return null
  if (isObject(schema.properties) && 'namedArgs' in schema.properties && '$comment' in schema) return 'a function has no JSON form'
  if (schema.description === 'Failed to correctly infer type') return 'a part of it cannot be inferred; write that part down'
  return firstOf(Object.values(schema))
}

function firstOf(schemas: readonly Json[]): string | null {
  for (const schema of schemas) {
    const why = unservedPart(schema)
    if (why !== null) return why
  }
  return null
}

interface WrongTags {
  readonly node: ts.Declaration
  readonly problem: string
}

/** Those of `nodes` whose comments alone make a schema that cannot serve. */
function wrongTags(nodes: Iterable<ts.Declaration>, checker: ts.TypeChecker, problemOf: ProblemOf): WrongTags[] {
  const reader = new ExtendedAnnotationsReader(checker)
  return [...nodes].flatMap(node => {
    const problem = problemOf(tidySchema(JSON.parse(JSON.stringify(reader.getAnnotations(node) ?? {}))))
    return problem === null ? [] : { node, problem }
  })
}

function flawOfTags({ node, problem }: WrongTags, type: ts.TypeNode): PlacedFlaw {
  const name = ts.getNameOfDeclaration(node)?.getText() ?? textOf(type)
  const why = `the tags of "${name}" make no JSON Schema that can serve: ${problem}; correct them`
  return { code: 'MODEL_TYPE', severity: 'error', message: `Cannot use \`${textOf(type)}\` as a model as ${why}`, ...placeIn(node, type) }
}

function flawOfSchema(problem: string, type: ts.TypeNode): PlacedFlaw {
  const why = `its JSON Schema cannot serve: ${problem}; write a simpler type, or give a JSON Schema as an object literal`
  return { code: 'MODEL_TYPE', severity: 'error', message: `Cannot use \`${textOf(type)}\` as a model as ${why}`, ...placeIn(type, type) }
}

function flawOf(error: unknown, type: ts.TypeNode): PlacedFlaw {
  const refused = causes(error).find(each => each instanceof RefusedType)
  if (refused) return flawAt(refused.node, type, 'error', `has no JSON Schema: ${refused.message}`)
  if (error instanceof RangeError) return flawAt(type, type, 'error', 'is nested too deeply')
  if (!(error instanceof BaseError)) throw error
  const { file, start } = error.diagnostic
  const why = `has no JSON Schema: ${error.message}`
  if (!file?.fileName.startsWith(estateRoot)) return flawAt(type, type, 'error', why)
  return { ...flawAt(type, type, 'error', why), path: file.fileName.slice(estateRoot.length), ...placeOf(file, start ?? 0) }
}

function causes(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causes(error.cause)] : []
}

function flawAt(node: ts.Node, type: ts.TypeNode, severity: 'error' | 'warning', why: string): PlacedFlaw {
  const text = textOf(type)
  return {
    code: 'MODEL_TYPE',
    severity,
    message: severity === 'error' ? `Cannot use \`${text}\` as a model as it ${why}; use what JSON can hold` : `Model \`${text}\` ${why}`,
    ...placeIn(node, type),
  }
}

function textOf(type: ts.TypeNode): string {
  return type.getText().replace(/\s+/g, ' ').slice(0, 60)
}

/** The place of `node` where it stands in the estate, else of the type the service names. */
function placeIn(node: ts.Node, type: ts.TypeNode): Pick<PlacedFlaw, 'path' | 'line' | 'column'> {
  const shown = isInEstate(node) ? node : type
  const file = shown.getSourceFile()
  return { path: file.fileName.slice(estateRoot.length), ...placeOf(file, shown.getStart(file)) }
}
