// The service that another one names, with a payload that fits it: the same checks whether it is called at once or later.

import { kindName, refOf } from '../../schema/ref.ts'
import { InvokeError } from './errors.ts'
import { ServiceUnavailable } from './sdk.ts'
import type { ServiceView, Unit } from './unit.ts'
import { closedOf, isServiceView } from './view.ts'

const serviceKind = kindName('service')

/** @throws InvokeError where there is no such service, or the payload does not fit; ServiceUnavailable where it is closed */
export function calleeOf(unit: Unit, name: string, payload: unknown): ServiceView {
  const view = unit.resolve(refOf(serviceKind, name))
  const closed = closedOf(view)
  if (closed !== null) throw new ServiceUnavailable(`Cannot invoke "${name}" as ${closed}`)
  if (!isServiceView(view)) throw new InvokeError('NO_SERVICE', `Cannot invoke "${name}" as there is no such service in this environment`)
  const [problem] = view.check(payload)
  if (problem !== undefined)
    throw new InvokeError(
      'INVALID_PAYLOAD',
      `Cannot invoke "${name}" as the payload does not fit its input: ${problem.pointer || '(the whole)'} ${problem.message}`,
    )
  return view
}
