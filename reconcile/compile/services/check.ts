// The full type check of an estate's services, for `plumb validate --types`. It is not part of a sync: an annotation that is wrong
// does not change what runs.

import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import type { PlacedFlaw, Question } from './child-protocol.ts'
import { placeOf } from './place.ts'
import { baseOptions, estateRoot, resolvedAt, type SourceFiles } from './source-files.ts'

const environmentFile = `${estateRoot}.plumb/types/environment.d.ts`
const sdk = 'plumb-server'

export function checkTypes({ files, roots, environmentTypes, librariesFolder }: Question['check'], sources: SourceFiles): PlacedFlaw[] {
  const options: ts.CompilerOptions = { ...baseOptions, types: ['node'], typeRoots: undefined, customConditions: ['plumb-source'] }
  const host = sources.host(files)
  const { getSourceFile, fileExists } = host
  const environment =
    environmentTypes === null ? null : ts.createSourceFile(environmentFile, environmentTypes, ts.ScriptTarget.ES2024, true)
  const sdkFile = locateSdk()
  const rootNames = [...roots.map(path => estateRoot + path), ...(environment ? [environmentFile] : [])]
  const program = ts.createProgram({
    rootNames,
    options,
    host: {
      ...host,
      getSourceFile: (name, ...rest) => (name === environmentFile && environment ? environment : getSourceFile(name, ...rest)),
      fileExists: name => name === environmentFile || fileExists(name),
      directoryExists: name => !name.startsWith(estateRoot) && ts.sys.directoryExists(name),
      realpath: name => (name.startsWith(estateRoot) ? name : (ts.sys.realpath?.(name) ?? name)),
      resolveModuleNameLiterals: (literals, containing, redirected, ...rest) => {
        const inTree = host.resolveModuleNameLiterals?.(literals, containing, redirected, ...rest) ?? []
        return literals.map(({ text }, index) => {
          const found = inTree[index]
          if (found?.resolvedModule) return found
          if (text === sdk) return { resolvedModule: resolvedAt(sdkFile) }
          const from = containing.startsWith(estateRoot) ? librariesFolder && `${librariesFolder}/service.ts` : containing
          return from ? ts.resolveModuleName(text, from, options, ts.sys) : { resolvedModule: undefined }
        })
      },
      resolveTypeReferenceDirectiveReferences: names =>
        names.map(name => ts.resolveTypeReferenceDirective(typeof name === 'string' ? name : name.fileName, sdkFile, options, ts.sys)),
    },
  })
  return [...program.getOptionsDiagnostics(), ...roots.flatMap(path => diagnosticsOf(program, estateRoot + path))].flatMap(toFlaw)
}

/** The SDK beside this checkout's or package's own code: source, or the declarations it was built to. */
function locateSdk(): string {
  const source = fileURLToPath(new URL('../../../engine/service/sdk.ts', import.meta.url))
  return existsSync(source) ? source : `${dirname(source)}/sdk.d.ts`
}

function diagnosticsOf(program: ts.Program, name: string): readonly ts.Diagnostic[] {
  const file = program.getSourceFile(name)
  return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
}

function toFlaw({ file, start, messageText, code }: ts.Diagnostic): PlacedFlaw[] {
  if (!file?.fileName.startsWith(estateRoot)) return []
  return [
    {
      code: 'TYPE_ERROR',
      message: `${sentencesOf(messageText)} (TS${code})`,
      path: file.fileName.slice(estateRoot.length),
      ...placeOf(file, start ?? 0),
    },
  ]
}

/** What is nested in the compiler's message, from the outside in, in one line. */
function sentencesOf(message: string | ts.DiagnosticMessageChain): string {
  return ts
    .flattenDiagnosticMessageText(message, '\n')
    .split('\n')
    .map(line => line.trim().replace(/\.$/, ''))
    .join('; ')
}
