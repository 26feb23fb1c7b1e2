// Reads JSON from a syntax tree: what an expression of literals says, without running it.

import ts from 'typescript'
import type { Json } from '../../../schema/json.ts'

/**
 * The JSON that `node` writes down, or undefined where it does not: literals, lists, objects, `as const`, `satisfies`, and
 * identifiers of the file's own top-level constants that are written so.
 */
export function literalOf(node: ts.Node, file: ts.SourceFile): Json | undefined {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isNumericLiteral(node)) return Number(node.text)
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken && ts.isNumericLiteral(node.operand))
    return -Number(node.operand.text)
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node))
    return literalOf(node.expression, file)
  if (ts.isArrayLiteralExpression(node)) return listOf(node, file)
  if (ts.isObjectLiteralExpression(node)) return objectOf(node, file)
  if (ts.isIdentifier(node)) return constantOf(node, file)
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false
  return node.kind === ts.SyntaxKind.NullKeyword ? null : undefined
}

function listOf(node: ts.ArrayLiteralExpression, file: ts.SourceFile): Json | undefined {
  const items: Json[] = []
  for (const element of node.elements) {
    const item = literalOf(element, file)
    if (item === undefined) return undefined
    items.push(item)
  }
  return items
}

function objectOf(node: ts.ObjectLiteralExpression, file: ts.SourceFile): Json | undefined {
  const entries: [string, Json][] = []
  for (const property of node.properties) {
    const key = property.name && !ts.isComputedPropertyName(property.name) ? property.name.text : undefined
    const value = ts.isPropertyAssignment(property)
      ? literalOf(property.initializer, file)
      : ts.isShorthandPropertyAssignment(property)
        ? constantOf(property.name, file)
        : undefined
    if (key === undefined || value === undefined) return undefined
    entries.push([key, value])
  }
  return Object.fromEntries(entries)
}

function constantOf(identifier: ts.Identifier, file: ts.SourceFile): Json | undefined {
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement) || !(statement.declarationList.flags & ts.NodeFlags.Const)) continue
    // Only what stands above can be meant, which also ends a chain of constants that name each other.
    for (const { name, initializer } of statement.declarationList.declarations)
      if (ts.isIdentifier(name) && name.text === identifier.text && initializer && initializer.end <= identifier.pos)
        return literalOf(initializer, file)
  }
  return undefined
}
