// Compiles files given as a record, with services that need no code: what the tests of compilation share.

import { type CompileOptions, compile } from '../../../reconcile/compile/compile.ts'
import type { Compiled, CompiledService, CompiledServices, DesiredResource } from '../../../reconcile/compile/desired.ts'
import type { DocumentCache } from '../../../reconcile/compile/document-cache.ts'
import { createSecrets } from '../../../reconcile/compile/secrets.ts'
import { digestOfBytes } from '../../../schema/digest.ts'
import type { Issue } from '../../../schema/issue.ts'
import { parseRef } from '../../../schema/ref.ts'
import { builtinVocabulary, type Vocabulary } from '../../../schema/vocabulary.ts'
import { memoryTree } from '../../tree.ts'

export const vocabulary: Vocabulary = builtinVocabulary()

export interface EstateOptions extends Partial<Omit<CompileOptions, 'documents' | 'services'>> {
  readonly documents: DocumentCache
  readonly environment?: string
  readonly services?: readonly (string | Partial<CompiledService>)[]
  readonly lockfile?: string
}

/** Values of process variables in these tests; what a test prints must never show one. */
export const processEnv = {
  PLUMB_SECRET_CRM: 'hunter2-crm',
  PLUMB_SECRET_DB: 'hunter2-db',
  REGION: 'region-eu',
  UNLISTED: 'region-unlisted',
}

export function compileFiles(files: Readonly<Record<string, string>>, options: EstateOptions): Promise<Compiled> {
  const { environment = 'dev', services = ['client.get'], lockfile, ...rest } = options
  return compile(memoryTree(files), environment, {
    vocabulary,
    policy: null,
    secrets: createSecrets(processEnv, async () => new Map()),
    env: processEnv,
    keys: { digestKey: Buffer.alloc(32, 7) },
    ...rest,
    services: async () => ({ ...compiledServices(services), lockfile: lockfile === undefined ? null : digestOfBytes(lockfile) }),
  })
}

export const environmentYaml = 'environment: dev\nrequireSecurity: false\nsecrets:\n  - env: PLUMB_SECRET_\n'

/** One file of resources in an environment that asks for nothing. */
export function devEstate(yaml: string, environment: string = environmentYaml): Record<string, string> {
  return { 'environments/dev/environment.yaml': environment, 'environments/dev/resources.yaml': yaml }
}

/** `CODE path:line:column`, in the order they were found. */
export function placesOf(issues: readonly Issue[]): string[] {
  return issues.map(({ code, at }) => (at ? `${code} ${at.path.replace('environments/', '')}:${at.line}:${at.column}` : code))
}

export function resourceOf(compiled: Compiled, ref: string): DesiredResource {
  const resource = compiled.desired?.resources.get(parseRef(ref))
  if (!resource) throw new Error(`${ref} is not among the resources; issues: ${JSON.stringify(compiled.issues, null, 1)}`)
  return resource
}

function compiledServices(declared: readonly (string | Partial<CompiledService>)[]): CompiledServices {
  const services = declared.map((service): CompiledService => {
    const given = typeof service === 'string' ? { name: service } : service
    const path = 'services/code.ts'
    return {
      name: 'unnamed',
      path,
      exportName: 'run',
      at: { path, line: 1, column: 1 },
      description: null,
      input: null,
      output: null,
      uses: [],
      modules: {},
      ...given,
    }
  })
  return { services, modules: new Map(), issues: [], lockfile: null }
}
