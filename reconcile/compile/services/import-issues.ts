// What is wrong with the imports of service code.

import { type Issue, issue } from '../../../schema/issue.ts'
import { didYouMean, nearest } from '../../../schema/nearest.ts'
import type { ImportFact } from './facts.ts'
import type { SourceGraph } from './graph.ts'
import type { Target } from './imports.ts'
import type { Libraries } from './libraries.ts'

export function importIssues(graph: SourceGraph, libraries: Libraries): Issue[] {
  return [...graph.values()].flatMap(({ path, facts, targets }) =>
    facts.imports.flatMap(found => {
      const target = targets.get(found.specifier)
      const problem = target && problemOf(found, target, libraries)
      return problem ? issue(problem.code, problem.message, { at: { path, line: found.line, column: found.column } }) : []
    }),
  )
}

function problemOf({ specifier, typeOnly }: ImportFact, target: Target, libraries: Libraries): Pick<Issue, 'code' | 'message'> | null {
  if (target.kind === 'missing')
    return {
      code: 'MODULE_NOT_FOUND',
      message: `Cannot import "${specifier}" as no such file is in the estate${target.nearest ? `: did you mean ${target.nearest}?` : '; the path is relative to the importing file'}`,
    }
  if (target.kind === 'outside')
    return {
      code: 'IMPORT_OUTSIDE',
      message: `Cannot import "${specifier}" as it leads out of the estate; service code imports files of its own repository and npm libraries`,
    }
  // Types of a library matter to the editor alone.
  return target.kind === 'library' && !typeOnly ? libraryProblem(target.name, libraries) : null
}

function libraryProblem(name: string, { packageFile, names, devNames }: Libraries): Pick<Issue, 'code' | 'message'> | null {
  if (names.has(name)) return null
  const code = 'MISSING_LIBRARY'
  if (packageFile === null)
    return {
      code,
      message: `Cannot import "${name}" as the estate has no package file; make services/package.json and run \`npm install ${name}\` there`,
    }
  if (devNames.has(name))
    return {
      code,
      message: `Cannot import "${name}" as ${packageFile} has it in devDependencies only, which are not installed; move it to dependencies`,
    }
  const near = nearest(name, names) === undefined ? `; run \`npm install ${name}\` there` : didYouMean(name, [...names])
  return { code, message: `Cannot import "${name}" as it is not in the dependencies of ${packageFile}${near}` }
}
