// Finds what service code uses by name: `ctx.sql('Billing')`, `ctx.invoke('client.get', …)`, `ctx.schedule.once('client.get', …)`.
//
// The rule, by syntax alone: a *context* is the second parameter of a service's `handle`, a parameter typed `Context` (the SDK's),
// a name or property `ctx` that is not declared as something else, and a `const` that was set to a context. A call of a context's
// method whose first argument is a literal string is a use; so is a call of a name that was taken out of a context
// (`{ sql, invoke }`), of it or of one of its members. What is passed under another, untyped name or computed is not found; it fails when it is called.

import ts from 'typescript'
import type { UseFact } from './facts.ts'
import type { FoundServices } from './find-services.ts'
import { placeOf } from './place.ts'

type Binding = { readonly kind: 'context' } | { readonly kind: 'method'; readonly method: string } | { readonly kind: 'other' }

class Scope {
  readonly #bindings = new Map<string, Binding>()
  readonly #outer: Scope | null

  constructor(outer: Scope | null) {
    this.#outer = outer
  }

  bind(name: string, binding: Binding): void {
    this.#bindings.set(name, binding)
  }

  lookUp(name: string): Binding | undefined {
    return this.#bindings.get(name) ?? this.#outer?.lookUp(name)
  }
}

export function findUses(file: ts.SourceFile, { services, contextTypes }: FoundServices): UseFact[] {
  const uses: UseFact[] = []
  const contexts = new Set<ts.Node | undefined>(services.map(({ handle }) => handle?.parameters[1]))
  const isContext = (parameter: ts.ParameterDeclaration): boolean =>
    contexts.has(parameter) || namesContext(parameter.type, contextTypes) || (ts.isIdentifier(parameter.name) && isCtx(parameter.name))
  const visit = (node: ts.Node, outer: Scope, within: number | null): void => {
    const service = services.findIndex(({ call }) => call === node)
    const place = service >= 0 ? service : within
    const scope = ts.isFunctionLike(node) || ts.isBlock(node) ? new Scope(outer) : outer
    if (ts.isFunctionLike(node))
      for (const parameter of node.parameters)
        bindName(parameter.name, isContext(parameter) ? { kind: 'context' } : { kind: 'other' }, scope)
    if (ts.isVariableDeclaration(node)) bindName(node.name, bindingOf(node.initializer, scope), scope)
    if (ts.isCallExpression(node)) {
      const callee = bindingOf(node.expression, scope)
      const [argument] = node.arguments
      if (callee.kind === 'method' && argument && ts.isStringLiteralLike(argument))
        uses.push({ method: callee.method, name: argument.text, within: place, ...placeOf(file, argument.getStart(file)) })
    }
    ts.forEachChild(node, child => visit(child, scope, place))
  }
  visit(file, new Scope(null), null)
  return uses
}

function namesContext(type: ts.TypeNode | undefined, contextTypes: ReadonlySet<string>): boolean {
  return type !== undefined && ts.isTypeReferenceNode(type) && ts.isIdentifier(type.typeName) && contextTypes.has(type.typeName.text)
}

function isCtx(name: ts.Identifier | ts.MemberName): boolean {
  return name.text === 'ctx'
}

function bindName(name: ts.BindingName, binding: Binding, scope: Scope): void {
  if (ts.isIdentifier(name)) return scope.bind(name.text, binding)
  for (const element of name.elements) {
    if (ts.isOmittedExpression(element)) continue
    const property = element.propertyName ?? element.name
    const isNamed = ts.isObjectBindingPattern(name) && ts.isIdentifier(property) && !element.dotDotDotToken
    bindName(element.name, isNamed ? memberOf(binding, property) : { kind: 'other' }, scope)
  }
}

/** What an expression is, as far as its syntax says. */
function bindingOf(expression: ts.Expression | undefined, scope: Scope): Binding {
  if (!expression) return { kind: 'other' }
  if (ts.isParenthesizedExpression(expression) || ts.isNonNullExpression(expression)) return bindingOf(expression.expression, scope)
  if (ts.isIdentifier(expression)) return scope.lookUp(expression.text) ?? { kind: isCtx(expression) ? 'context' : 'other' }
  if (!ts.isPropertyAccessExpression(expression)) return { kind: 'other' }
  if (isCtx(expression.name)) return { kind: 'context' }
  return memberOf(bindingOf(expression.expression, scope), expression.name)
}

/** `once` of the method `schedule` is `schedule.once`. */
function memberOf(binding: Binding, name: ts.Identifier | ts.MemberName): Binding {
  if (binding.kind === 'other') return binding
  if (binding.kind === 'method') return { kind: 'method', method: `${binding.method}.${name.text}` }
  return isCtx(name) ? { kind: 'context' } : { kind: 'method', method: name.text }
}
