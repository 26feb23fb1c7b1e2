// One file of service code as CommonJS, by esbuild's `transform`. Its build mode would bundle, and breaks default imports of
// CommonJS libraries in packages of type "module".

import { posix } from 'node:path'
import { type Message, type TransformFailure, transform } from 'esbuild'
import type { Flaw } from './facts.ts'

export type Transpiled =
  | { readonly kind: 'module'; readonly js: string; readonly map: string }
  | { readonly kind: 'flaws'; readonly flaws: readonly Flaw[] }

// CommonJS has no `import.meta`; what node gives there is made of what the loader's wrapper hands in.
const importMetaBanner =
  "const plumb_import_meta = { url: require('node:url').pathToFileURL(__filename).href, filename: __filename, dirname: __dirname, main: false, " +
  "resolve: specifier => require('node:url').pathToFileURL(require.resolve(specifier)).href };"

/** @param importMeta whether the file reads `import.meta` */
export async function transpile(path: string, source: string, importMeta: boolean): Promise<Transpiled> {
  if (path.endsWith('.json')) return transpileJson(path, source)
  try {
    const { code, map } = await transform(source, {
      loader: /\.[cm]?ts$/.test(path) ? 'ts' : 'js',
      format: 'cjs',
      platform: 'node',
      target: 'node24',
      sourcefile: path,
      sourcemap: 'external',
      sourcesContent: false,
      supported: { 'dynamic-import': false },
      tsconfigRaw: {},
      logLevel: 'silent',
      ...(importMeta ? { banner: importMetaBanner, define: { 'import.meta': 'plumb_import_meta' } } : {}),
    })
    return { kind: 'module', js: code, map }
  } catch (error) {
    if (!isTransformFailure(error)) throw new Error(`Cannot transpile ${path} as esbuild failed`, { cause: error })
    return { kind: 'flaws', flaws: error.errors.map(flawOf) }
  }
}

function transpileJson(path: string, source: string): Transpiled {
  try {
    const js = `module.exports = ${JSON.stringify(JSON.parse(source))};\n`
    return { kind: 'module', js, map: JSON.stringify({ version: 3, sources: [path], names: [], mappings: 'AAAA' }) }
  } catch (error) {
    const message = `Cannot read ${posix.basename(path)} as JSON: ${error instanceof Error ? error.message : String(error)}`
    return { kind: 'flaws', flaws: [{ code: 'TYPESCRIPT_SYNTAX', message, line: 1, column: 1 }] }
  }
}

function isTransformFailure(error: unknown): error is TransformFailure {
  return error instanceof Error && Array.isArray((error as { errors?: unknown }).errors) // a property read of any object is safe
}

function flawOf({ text, location }: Message): Flaw {
  return {
    code: 'TYPESCRIPT_SYNTAX',
    message: `Cannot read it as TypeScript: ${text}; correct the code here`,
    line: location?.line ?? 1,
    column: (location?.column ?? 0) + 1,
  }
}
