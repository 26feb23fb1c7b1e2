// Routes and generations as the tests of the data plane declare them: what is not given does no harm.

import type { Generation } from '../../../engine/generation/generation.ts'
import { emptyManifest } from '../../../engine/generation/manifest.ts'
import { Latency } from '../../../engine/plane/latency.ts'
import type { CredentialView, Route } from '../../../engine/plane/route.ts'
import { createRouter } from '../../../engine/plane/router.ts'
import type { Caller, ServiceView, Unit } from '../../../engine/service/unit.ts'
import { parseRef } from '../../../schema/ref.ts'

/** Its service is that of every generation it is in. */
export type TestRoute = Route & { readonly view: ServiceView | Closed | null }
interface Closed {
  readonly closed: string
}

export function routeOf(spec: Partial<Omit<Route, 'ref' | 'service'>> & { name: string; service?: ServiceView | Closed }): TestRoute {
  const { name, service: view = null, ...rest } = spec
  return {
    view,
    ref: `channel_rest/${name}`,
    pattern: '/',
    method: 'GET',
    credentials: [],
    open: true,
    service: view && parseRef(`service/${name}`),
    timeoutMs: 10_000,
    contentType: 'application/json',
    closed: null,
    ...rest,
  }
}

const uncounted = { calls: 0, unmapped: 0, mapped: 0, latency: new Latency(), first: { calls: 0, unmapped: 0 } }

export function serviceOf(run: (payload: unknown, unit: Unit) => unknown, rest: Partial<ServiceView> = {}): ServiceView {
  return {
    name: 'test.service',
    check: () => [],
    async run(unit, payload) {
      const result = await run(payload, unit)
      unit.accept(result, 'test.service')
      return result
    },
    inputTypes: {},
    deadlineMs: null,
    counters: uncounted,
    ...rest,
  }
}

/** A credential that reads the password from the header `x-key`. */
export function keyOf(password: string, rest: Partial<CredentialView> & { caller?: Caller } = {}): CredentialView {
  const { caller = { security: 'key', username: null }, ...more } = rest
  return { authenticate: headers => (headers['x-key'] === password ? caller : null), challenge: null, closed: null, ...more }
}

export async function generationOf(
  number: number,
  routes: readonly TestRoute[],
  signal = new AbortController().signal,
): Promise<Generation> {
  const router = await createRouter().replace([], routes)
  let inFlight = 0
  return {
    number,
    manifest: emptyManifest,
    router,
    signal,
    resolve: ref => routes.find(({ service }) => service === ref)?.view ?? undefined,
    enter() {
      let inside = true
      inFlight++
      return () => {
        if (inside) inFlight--
        inside = false
      }
    },
    get inFlight() {
      return inFlight
    },
  }
}
