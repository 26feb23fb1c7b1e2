// Whether a loaded file exports the service its syntax tree promised.

import { LoadError } from './load-error.ts'
import { isService, type Service } from './sdk.ts'

export interface Promised {
  readonly name: string
  readonly path: string
  readonly exportName: string
}

/** @throws LoadError where the export is no service, or one of another name */
export function requireService(exports: Readonly<Record<string, unknown>>, { name, path, exportName }: Promised): Service {
  const found = exports[exportName]
  const at = { path, line: 1, column: 1 }
  if (!isService(found))
    throw new LoadError('SERVICE_EXPORT_WRONG', `its export "${exportName}" is ${describe(found)}: export what service() returns`, { at })
  if (found.name !== name)
    throw new LoadError(
      'SERVICE_NAME_DIFFERS',
      `its export "${exportName}" bears the name "${found.name}" where its file says "${name}": give service() a literal name`,
      { at },
    )
  return found
}

function describe(value: unknown): string {
  if (value === undefined) return 'undefined'
  if (value === null) return 'null'
  return typeof value === 'object' ? 'an object that is no service' : `a ${typeof value}`
}
