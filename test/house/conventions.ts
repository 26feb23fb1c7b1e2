// One small checker for each convention of the code that neither the compiler nor the linter knows. Each takes one file and
// returns what breaks the convention, as "line: what".

import ts from 'typescript'

export type Checker = (file: ts.SourceFile) => readonly string[]

/** What lives has an owner: state at module level has none. */
export const moduleState: Checker = file => {
  return file.statements
    .filter(
      statement => ts.isVariableStatement(statement) && (statement.declarationList.flags & ts.NodeFlags.BlockScoped) !== ts.NodeFlags.Const,
    )
    .filter(statement => !hasUsing(statement) && !isAmbient(statement))
    .map(statement => at(file, statement, '`let` or `var` at module level'))
}

/** A file that everybody imports and that imports everybody is where cycles start; a name that says nothing invites them. */
export const hubs: Checker = ({ fileName: path }) => {
  const [, name = ''] = /([^/]+)\.[cm]?[jt]s$/.exec(path) ?? []
  return /^(index|types|interfaces|utils?|helpers?|common|misc|constants|shared)$/.test(name) ? [`1: a file named ${name}`] : []
}

/** A failure that is neither told nor explained is lost. */
export const emptyCatches: Checker = file => {
  return nodesOf(file).flatMap(node => {
    if (ts.isCatchClause(node) && node.block.statements.length === 0 && !/\/[/*]/.test(node.block.getText(file)))
      return [at(file, node, 'an empty catch')]
    if (ts.isCallExpression(node) && isEmptyCatchCall(node, file)) return [at(file, node, 'an empty .catch()')]
    return []
  })
}

/** Importers write the name that the file gives. */
export const defaultExports: Checker = file => {
  return file.statements
    .filter(statement => ts.isExportAssignment(statement) || hasModifier(statement, ts.SyntaxKind.DefaultKeyword))
    .map(statement => at(file, statement, 'a default export'))
}

/** Shared code that names a kind has to be found and changed for the next one. */
export const kindNames =
  (kinds: readonly string[]): Checker =>
  file =>
    nodesOf(file).flatMap(node => {
      if (ts.isStringLiteralLike(node) && !isSpecifier(node)) {
        const kind = kinds.find(name => node.text === name || node.text.startsWith(`${name}/`))
        return kind === undefined ? [] : [at(file, node, kind)]
      }
      if (!ts.isTemplateHead(node)) return []
      const kind = kinds.find(name => node.text.startsWith(`${name}/`))
      return kind === undefined ? [] : [at(file, node, kind)]
    })

/** A path of somebody's machine works on no other. */
export const machinePaths = (text: string): readonly string[] =>
  text
    .split('\n')
    .flatMap((line, index) => (/(^|[\s"'`(=:])\/(work|root|home|Users|mnt)\/\w/.test(line) ? [`${index + 1}: ${line.trim()}`] : []))

export function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
}

function nodesOf(node: ts.Node): ts.Node[] {
  const nodes = [node]
  const visit = (child: ts.Node): void => {
    nodes.push(child)
    ts.forEachChild(child, visit)
  }
  ts.forEachChild(node, visit)
  return nodes
}

function at(file: ts.SourceFile, node: ts.Node, what: string): string {
  return `${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1}: ${what}`
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(modifier => modifier.kind === kind)
}

function isAmbient(node: ts.Node): boolean {
  return hasModifier(node, ts.SyntaxKind.DeclareKeyword)
}

function hasUsing(statement: ts.Node): boolean {
  return /^(await )?using\b/.test(statement.getText())
}

function isEmptyCatchCall(node: ts.CallExpression, file: ts.SourceFile): boolean {
  const [act] = node.arguments
  return (
    ts.isPropertyAccessExpression(node.expression) &&
    node.expression.name.text === 'catch' &&
    act !== undefined &&
    ts.isArrowFunction(act) &&
    ts.isBlock(act.body) &&
    act.body.statements.length === 0 &&
    !/\/[/*]/.test(act.body.getText(file))
  )
}

function isSpecifier(node: ts.Node): boolean {
  return ts.isImportDeclaration(node.parent) || ts.isExportDeclaration(node.parent) || ts.isExternalModuleReference(node.parent)
}
