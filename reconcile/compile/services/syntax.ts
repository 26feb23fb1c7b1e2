// Reads facts from a syntax tree. Runs in the TypeScript child, as a file may be hostile to a parser; never runs user code.

import ts from 'typescript'
import { emptyFacts, type FileFacts, type Flaw, type ImportFact } from './facts.ts'
import { findServices } from './find-services.ts'
import { findUses } from './find-uses.ts'
import { placeOf } from './place.ts'
import { typedDigest } from './typed-text.ts'

/** Facts of one file. A file with syntax errors has those as its flaws and nothing else. */
export function readFacts(file: ts.SourceFile): FileFacts {
  const flaws = syntaxErrors(file)
  if (flaws.length > 0) return { ...emptyFacts, flaws }
  const found = findServices(file)
  const { awaits, importMeta } = surveyModule(file)
  return {
    flaws: [...found.flaws, ...awaits],
    imports: readImports(file),
    services: found.services.map(service => service.fact),
    uses: findUses(file, found),
    importMeta,
    typed: typedDigest(file, found.services),
  }
}

function syntaxErrors(file: ts.SourceFile): Flaw[] {
  // The parser keeps its findings in a property that the public type leaves out; a Program would be needed otherwise.
  const { parseDiagnostics = [] } = file as { parseDiagnostics?: readonly ts.DiagnosticWithLocation[] }
  return parseDiagnostics.map(found => ({
    code: 'TYPESCRIPT_SYNTAX',
    message: `Cannot read it as TypeScript: ${ts.flattenDiagnosticMessageText(found.messageText, ' ').replace(/\.$/, '')}; correct the syntax here`,
    ...placeOf(file, found.start),
  }))
}

/** Awaits outside of any function, and whether `import.meta` is read. */
function surveyModule(file: ts.SourceFile): { awaits: Flaw[]; importMeta: boolean } {
  const awaits: Flaw[] = []
  let importMeta = false
  const visit = (node: ts.Node, topLevel: boolean): void => {
    if (topLevel && isAwait(node))
      awaits.push({
        code: 'TOP_LEVEL_AWAIT',
        message: 'Cannot load a service as its file awaits outside of a function; await inside `handle` or in a function that it calls',
        ...placeOf(file, node.getStart(file)),
      })
    if (ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword) importMeta = true
    const inside = topLevel && !ts.isFunctionLike(node) && !ts.isPropertyDeclaration(node) && !ts.isClassStaticBlockDeclaration(node)
    ts.forEachChild(node, child => visit(child, inside))
  }
  visit(file, true)
  return { awaits, importMeta }
}

function isAwait(node: ts.Node): boolean {
  if (ts.isAwaitExpression(node)) return true
  if (ts.isForOfStatement(node)) return node.awaitModifier !== undefined
  return ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.AwaitUsing) === ts.NodeFlags.AwaitUsing
}

function readImports(file: ts.SourceFile): ImportFact[] {
  const imports: ImportFact[] = []
  const values = valueNames(file)
  // esbuild keeps an import of JavaScript that nothing uses.
  const isTypeScript = /\.[cm]?ts$/.test(file.fileName)
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier && ts.isStringLiteralLike(specifier))
      imports.push({ specifier: specifier.text, typeOnly, ...placeOf(file, specifier.getStart(file)) })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeScript && isErasedImport(node, values))
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, isErasedExport(node))
    else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference))
      add(node.moduleReference.expression, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    else if (ts.isCallExpression(node) && isModuleCall(node)) add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return imports
}

/** `import('…')` and `require('…')`. */
function isModuleCall({ expression }: ts.CallExpression): boolean {
  return expression.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(expression) && expression.text === 'require')
}

/** Names that stand in a place where JavaScript needs their value: esbuild drops an import of which none does. */
function valueNames(file: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node)) {
      // `extends Base<T>` and `instance<T>` are type nodes around an expression that stays.
      if (ts.isExpressionWithTypeArguments(node) && !ts.isPartOfTypeNode(node)) visit(node.expression)
      return
    }
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return
    if (ts.isIdentifier(node)) names.add(node.text)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return names
}

function isErasedImport({ importClause }: ts.ImportDeclaration, values: ReadonlySet<string>): boolean {
  if (!importClause) return false
  if (importClause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true
  const { name, namedBindings } = importClause
  const names = name ? [name.text] : []
  if (namedBindings && ts.isNamespaceImport(namedBindings)) names.push(namedBindings.name.text)
  else if (namedBindings) for (const item of namedBindings.elements) if (!item.isTypeOnly) names.push(item.name.text)
  return !names.some(each => values.has(each))
}

function isErasedExport({ isTypeOnly, exportClause }: ts.ExportDeclaration): boolean {
  if (isTypeOnly) return true
  return exportClause !== undefined && ts.isNamedExports(exportClause) && exportClause.elements.length > 0
    ? exportClause.elements.every(item => item.isTypeOnly)
    : false
}
