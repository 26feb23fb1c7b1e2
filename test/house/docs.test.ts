import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { test } from 'vitest'
import { exit } from '../../cli/run.ts'
import { repositoryFiles, root } from './repository.ts'

const pages = repositoryFiles(path => path.endsWith('.md'))
const page = (path: string): string => pages.get(path) ?? ''

test('every link between pages leads somewhere', () => {
  assert.deepEqual(deadLinks('docs/a.md', 'see [the file](nowhere.md) and [the web](https://example.com/nowhere.md)'), [
    'docs/a.md: nowhere.md',
  ])
  assert.deepEqual(deadLinks('docs/a.md', 'see [there](cli.md#no-such-heading), [there](cli.md#exit-statuses)'), [
    'docs/a.md: cli.md#no-such-heading',
  ])
  assert(pages.size > 10)
  assert.deepEqual(
    [...pages].flatMap(([path, text]) => deadLinks(path, text)),
    [],
  )
})

test('docs/architecture.md names files and functions that are there', () => {
  assert.deepEqual(strangers('`engine/nowhere.ts`, `engine/generation/slots.ts` `swap()`, `leap()`'), [
    'engine/nowhere.ts',
    'leap() in engine/generation/slots.ts',
  ])
  assert.deepEqual(strangers(page('docs/architecture.md')), [])
})

test('docs/decisions/dependencies.md has a line for each dependency, and no other', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const told = [...page('docs/decisions/dependencies.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name)
  assert.deepEqual(told.sort(), Object.keys({ ...dependencies, ...devDependencies }).sort())
})

test('docs/cli.md has every command with its options, and every exit status', () => {
  const sections = new Map(
    page('docs/cli.md')
      .split(/^### `plumb /m)
      .slice(1)
      .map(text => [/^[a-z]+/.exec(text)?.[0] ?? '', text] as const),
  )
  const shared = ['json', 'server', 'token-file', 'ca-file', 'cert-file', 'key-file', 'insecure-http']
  const commands = [...repositoryFiles(path => /^cli\/[a-z]+\.ts$/.test(path)).values()].filter(
    text => /new Command\('[a-z]+'\)\)?$/m.test(text) && !/new Command\('plumb'\)/.test(text),
  )
  assert(commands.length >= 15, `only ${commands.length} commands were read`)
  const missing = commands.flatMap(text => {
    const name = /new Command\('([a-z]+)'\)/.exec(text)?.[1] ?? ''
    const options = [...text.matchAll(/\.option\('[^']*--([a-z-]+)/g)]
      .map(([, option = '']) => option)
      .filter(option => !shared.includes(option))
    const section = sections.get(name)
    if (section === undefined) return [name]
    return options.filter(option => !section.includes(`--${option}`)).map(option => `${name} --${option}`)
  })
  assert.deepEqual(missing, [])
  assert.equal(sections.size, commands.length)
  const statuses = [...page('docs/cli.md').matchAll(/^\| (\d+) \|/gm)].map(([, status]) => Number(status))
  assert.deepEqual(statuses, Object.values(exit))
})

test('a decision says its surface, how it fails, what it leaves out and what was measured', () => {
  const decisions = [...pages].filter(([path]) => path.startsWith('docs/decisions/') && !path.endsWith('/dependencies.md'))
  assert(decisions.length >= 5)
  const thin = decisions.flatMap(([path, text]) =>
    ['Surface', 'Failure model', 'Scope cuts', 'Measurements']
      .filter(part => !text.includes(`## ${part}`) && !text.includes(`**${part}`))
      .map(part => `${path}: ${part}`),
  )
  assert.deepEqual(thin, [])
})

function deadLinks(path: string, text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter(target => !/^[a-z]+:/.test(target))
    .filter(target => {
      const [file = '', anchor] = target.split('#')
      const found = file === '' ? path : posix.join(dirname(path), file)
      if (!existsSync(join(root, found))) return true
      return anchor !== undefined && !headingsOf(readFileSync(join(root, found), 'utf8')).has(anchor)
    })
    .map(target => `${path}: ${target}`)
}

/** As GitHub makes anchors of headings. */
function headingsOf(text: string): ReadonlySet<string> {
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  )
}

/** Paths in backticks that do not exist, and names behind them that the file does not hold. */
function strangers(text: string): string[] {
  return [...text.matchAll(/`([\w./-]+\/[\w.-]+\.(?:ts|json|yaml))`((?:,? `\w+(?:\(\))?`)*)/g)].flatMap(([, path = '', names = '']) => {
    if (!existsSync(join(root, path))) return [path]
    const code = readFileSync(join(root, path), 'utf8')
    return [...names.matchAll(/`(\w+)(\(\))?`/g)]
      .filter(([, name = '']) => !new RegExp(`\\b${name}\\b`).test(code))
      .map(([, name, call = '']) => `${name}${call} in ${path}`)
  })
}
