// Finds the services of a file: exported calls of what `plumb-server` exports as `service`.

import ts from 'typescript'
import type { IssueCode } from '../../../schema/issue.ts'
import type { Flaw, ModelFact, ServiceFact } from './facts.ts'
import { literalOf } from './literal.ts'
import { placeOf } from './place.ts'

export interface FoundService {
  readonly fact: ServiceFact
  readonly call: ts.CallExpression
  readonly handle: ts.SignatureDeclaration | null
  /** Nodes of the types whose schemas are wanted; null where the model is something else. */
  readonly inputType: ts.TypeNode | null
  readonly outputType: ts.TypeNode | null
}

export interface FoundServices {
  readonly services: readonly FoundService[]
  readonly flaws: readonly Flaw[]
  /** Local names of the SDK's `Context`. */
  readonly contextTypes: ReadonlySet<string>
}

const sdk = 'plumb-server'
// 1 to 200 characters; control and bidirectional ones could make a name look like another.
const nameGrammar = /^[^\p{Cc}\p{Cf}]{1,200}$/u

export function findServices(file: ts.SourceFile): FoundServices {
  const names = sdkNames(file)
  const services: FoundService[] = []
  const flaws: Flaw[] = []
  const exports = exportedCalls(file)
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isServiceCall(node, names)) {
      const found = readService(file, node, exports.get(node))
      flaws.push(...found.flaws)
      if (found.service) services.push(found.service)
    }
    ts.forEachChild(node, visit)
  }
  if (names.service.size + names.namespace.size > 0) visit(file)
  return { services, flaws, contextTypes: names.context }
}

interface SdkNames {
  readonly service: Set<string>
  readonly namespace: Set<string>
  readonly context: Set<string>
}

function sdkNames(file: ts.SourceFile): SdkNames {
  const names: SdkNames = { service: new Set(), namespace: new Set(), context: new Set() }
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier) || statement.moduleSpecifier.text !== sdk)
      continue
    const bindings = statement.importClause?.namedBindings
    if (bindings && ts.isNamespaceImport(bindings)) names.namespace.add(bindings.name.text)
    else
      for (const item of bindings?.elements ?? []) {
        const imported = (item.propertyName ?? item.name).text
        if (imported === 'service') names.service.add(item.name.text)
        if (imported === 'Context') names.context.add(item.name.text)
      }
  }
  return names
}

function isServiceCall({ expression }: ts.CallExpression, names: SdkNames): boolean {
  if (ts.isIdentifier(expression)) return names.service.has(expression.text)
  return (
    ts.isPropertyAccessExpression(expression) &&
    expression.name.text === 'service' &&
    ts.isIdentifier(expression.expression) &&
    names.namespace.has(expression.expression.text)
  )
}

interface Export {
  readonly name: string
  readonly statement: ts.Node
}

/** Calls that are the value of an export, with the export's name and the statement that carries its JSDoc. */
function exportedCalls(file: ts.SourceFile): ReadonlyMap<ts.Node, Export> {
  const calls = new Map<ts.Node, Export>()
  const declared = new Map<string, { value: ts.Expression; statement: ts.Node }>()
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue
    const exported = statement.modifiers?.some(modifier => modifier.kind === ts.SyntaxKind.ExportKeyword) ?? false
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (!ts.isIdentifier(name) || !initializer) continue
      const value = bare(initializer)
      declared.set(name.text, { value, statement })
      if (exported) calls.set(value, { name: name.text, statement })
    }
  }
  const exportLocal = (local: string, name: string): void => {
    const found = declared.get(local)
    if (found && !calls.has(found.value)) calls.set(found.value, { name, statement: found.statement })
  }
  for (const statement of file.statements) {
    if (ts.isExportAssignment(statement) && !statement.isExportEquals) {
      const value = bare(statement.expression)
      if (ts.isIdentifier(value)) exportLocal(value.text, 'default')
      else calls.set(value, { name: 'default', statement })
    }
    if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier || statement.isTypeOnly) continue
    if (statement.exportClause && ts.isNamedExports(statement.exportClause))
      for (const item of statement.exportClause.elements)
        if (!item.isTypeOnly) exportLocal((item.propertyName ?? item.name).text, item.name.text)
  }
  return calls
}

function bare(expression: ts.Expression): ts.Expression {
  return ts.isParenthesizedExpression(expression) || ts.isSatisfiesExpression(expression) || ts.isAsExpression(expression)
    ? bare(expression.expression)
    : expression
}

function readService(
  file: ts.SourceFile,
  call: ts.CallExpression,
  exported: Export | undefined,
): { service: FoundService | null; flaws: Flaw[] } {
  const at = (node: ts.Node) => placeOf(file, node.getStart(file))
  const refuse = (code: IssueCode, message: string, node: ts.Node) => ({ service: null, flaws: [{ code, message, ...at(node) }] })
  const [argument] = call.arguments
  const definition = argument ? bare(argument) : undefined
  const nameNode = definition && ts.isObjectLiteralExpression(definition) ? propertyOf(definition, 'name') : undefined
  const nameValue = nameNode ? literalOf(nameNode, file) : undefined
  if (!definition || !ts.isObjectLiteralExpression(definition) || !nameNode || typeof nameValue !== 'string' || ts.isIdentifier(nameNode))
    return refuse(
      'SERVICE_NAME',
      "Cannot find the service's name as it is not a literal; write `service({ name: 'client.get', … })` with the name as a string",
      nameNode ?? call,
    )
  if (!nameGrammar.test(nameValue))
    return refuse(
      'SERVICE_NAME',
      `Cannot name a service ${JSON.stringify(nameValue)}; a name is 1 to 200 characters, none of them control or bidirectional`,
      nameNode,
    )
  if (!exported)
    return refuse(
      'SERVICE_NOT_EXPORTED',
      `Cannot serve "${nameValue}" as the call is not the value of an export; write \`export const … = service(…)\``,
      call,
    )

  const handle = signatureOf(propertyOf(definition, 'handle'), file)
  const [requestType, responseType] = call.typeArguments ?? [handle?.parameters[0]?.type, unwrapPromise(handle?.type)]
  const input = readModel(file, propertyOf(definition, 'input'), requestType)
  const output = readModel(file, propertyOf(definition, 'output'), responseType)
  const fact = {
    name: nameValue,
    exportName: exported.name,
    description: descriptionOf(definition, exported.statement, file),
    input: input.fact,
    output: output.fact,
    ...at(nameNode),
  }
  return {
    service: { fact, call, handle, inputType: input.type, outputType: output.type },
    flaws: [...input.flaws, ...output.flaws],
  }
}

/** The value of a property; for a method or a shorthand the node that stands for it. */
function propertyOf(object: ts.ObjectLiteralExpression, name: string): ts.Node | undefined {
  const property = object.properties.findLast(
    each => each.name && (ts.isIdentifier(each.name) || ts.isStringLiteral(each.name)) && each.name.text === name,
  )
  if (!property) return undefined
  if (ts.isPropertyAssignment(property)) return bare(property.initializer)
  return ts.isShorthandPropertyAssignment(property) ? property.name : property
}

/** The function a node is, or that the identifier names in this file. */
function signatureOf(node: ts.Node | undefined, file: ts.SourceFile): ts.SignatureDeclaration | null {
  if (!node) return null
  if (ts.isMethodDeclaration(node) || ts.isArrowFunction(node) || ts.isFunctionExpression(node) || ts.isFunctionDeclaration(node))
    return node
  if (!ts.isIdentifier(node)) return null
  for (const statement of file.statements) {
    if (ts.isFunctionDeclaration(statement) && statement.name?.text === node.text) return statement
    if (!ts.isVariableStatement(statement)) continue
    for (const { name, initializer } of statement.declarationList.declarations)
      if (ts.isIdentifier(name) && name.text === node.text && initializer && !ts.isIdentifier(initializer))
        return signatureOf(bare(initializer), file)
  }
  return null
}

function unwrapPromise(type: ts.TypeNode | undefined): ts.TypeNode | undefined {
  if (!type || !ts.isTypeReferenceNode(type) || !ts.isIdentifier(type.typeName) || type.typeName.text !== 'Promise') return type
  return type.typeArguments?.[0]
}

interface Model {
  readonly fact: ModelFact
  readonly type: ts.TypeNode | null
  readonly flaws: readonly Flaw[]
}

function readModel(file: ts.SourceFile, given: ts.Node | undefined, type: ts.TypeNode | undefined): Model {
  if (given) return givenModel(file, given)
  if (!type || saysNothing(type)) return { fact: { kind: 'none' }, type: null, flaws: [] }
  return { fact: { kind: 'type', ...placeOf(file, type.getStart(file)) }, type, flaws: [] }
}

function saysNothing({ kind }: ts.TypeNode): boolean {
  return kind === ts.SyntaxKind.UnknownKeyword || kind === ts.SyntaxKind.VoidKeyword || kind === ts.SyntaxKind.UndefinedKeyword
}

function givenModel(file: ts.SourceFile, given: ts.Node): Model {
  const schema = literalOf(given, file)
  if (typeof schema === 'object' && schema !== null && !Array.isArray(schema))
    // `literalOf` gives JSON, and the rest of it was excluded above.
    return {
      fact: { kind: 'schema', schema: schema as { readonly [key: string]: never }, ...placeOf(file, given.getStart(file)) },
      type: null,
      flaws: [],
    }
  return {
    fact: { kind: 'none' },
    type: null,
    flaws: [
      {
        code: 'MODEL_NOT_SERVED',
        message: `Cannot take \`${given.getText(file).slice(0, 60)}\` as a model as it is neither a type nor a literal JSON Schema; give the type arguments of \`service\`, or an object literal`,
        ...placeOf(file, given.getStart(file)),
      },
    ],
  }
}

/** `description` of the definition where it is a literal, else the JSDoc of the export. */
function descriptionOf(definition: ts.ObjectLiteralExpression, statement: ts.Node, file: ts.SourceFile): string | null {
  const given = propertyOf(definition, 'description')
  const literal = given ? literalOf(given, file) : undefined
  if (typeof literal === 'string') return literal
  const comments = ts.getJSDocCommentsAndTags(statement).filter(ts.isJSDoc)
  return ts.getTextOfJSDocComment(comments.at(-1)?.comment)?.trim() || null
}
