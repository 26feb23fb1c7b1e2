// What the house looks like: imports between floors as dependency-cruiser sees them, and the largest files and functions.
//   make report

import { readFileSync } from 'node:fs'
import { cruise } from 'dependency-cruiser'
import ts from 'typescript'

interface Sized {
  readonly name: string
  readonly lines: number
}

const floors = ['cli', 'reconcile', 'engine', 'adapters', 'schema']

const { forbidden, options } = JSON.parse(readFileSync('.dependency-cruiser.json', 'utf8'))
const { tsConfig: _, ...others } = options
const { output } = await cruise(floors, { ...others, ruleSet: { forbidden }, validate: true })
if (typeof output === 'string') throw new Error('Cannot report as dependency-cruiser gave text instead of a result')
const modules = output.modules.filter(({ source }) => floors.includes(floorOf(source)))
const files = modules.map(({ source }) => ({ name: source, text: readFileSync(source, 'utf8') }))
const written = files.filter(({ name }) => !name.startsWith('schema/generated/'))

console.log(
  `${modules.length} modules, ${modules.flatMap(({ dependencies }) => dependencies).length} imports, ${output.summary.violations.length} violations\n`,
)
for (const from of floors) {
  const targets = modules
    .filter(({ source }) => floorOf(source) === from)
    .flatMap(({ dependencies }) => dependencies.map(({ resolved }) => floorOf(resolved)))
  const counts = floors.map(to => `${to} ${targets.filter(target => target === to).length}`)
  console.log(`${from.padEnd(10)} → ${counts.join(', ')}`)
}
const sizes = written.map(({ name, text }): Sized => ({ name, lines: text.split('\n').length - 1 }))
print('files', sizes)
print(
  'functions',
  written.flatMap(({ name, text }) => functionsOf(name, text)),
)

function print(what: string, sized: readonly Sized[]): void {
  const sorted = sized.toSorted((one, other) => other.lines - one.lines)
  const share = (place: number) => sorted[Math.floor((sorted.length - 1) * (1 - place))]?.lines ?? 0
  console.log(`\n${sorted.length} ${what}: median ${share(0.5)} lines, nine of ten at most ${share(0.9)}; the largest:`)
  for (const { name, lines } of sorted.slice(0, 15)) console.log(`${String(lines).padStart(6)} ${name}`)
}

function floorOf(path: string): string {
  return path.split('/')[0] ?? ''
}

/** Named functions and methods, each without the functions declared in it. */
function functionsOf(path: string, text: string): Sized[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const found: Sized[] = []
  const visit = (node: ts.Node): number => {
    let inner = 0
    ts.forEachChild(node, child => {
      inner += visit(child)
    })
    if (!(ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)) || !node.body || !node.name) return inner
    const own = lineAt(file, node.end) - lineAt(file, node.getStart(file)) + 1
    found.push({ name: `${path} ${node.name.getText(file)}()`, lines: own - inner })
    return own
  }
  visit(file)
  return found
}

function lineAt(file: ts.SourceFile, position: number): number {
  return file.getLineAndCharacterOfPosition(position).line
}
