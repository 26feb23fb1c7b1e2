// One of the compared servers, in a process of its own: `node bench/request/server.ts plumb|observed|node|hono|fastify`. All do the same: POST /api/v1/client,
// JSON in, checked by Ajv against one schema, JSON out. It tells its parent the port, and what it is asked for: `cpu` the time it used in µs,
// `profile` nothing, `shares` where its time went since, `counted` the requests in its counters.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Ajv } from 'ajv'
import fastify from 'fastify'
import { Hono } from 'hono'
import { emptyManifest } from '../../engine/generation/manifest.ts'
import { PersistentMap } from '../../engine/generation/persistent-map.ts'
import { createLog, type ProcessLog } from '../../engine/log/log.ts'
import { createProcessFacts } from '../../engine/metrics/process-facts.ts'
import type { Counters } from '../../engine/plane/counters.ts'
import { Latency } from '../../engine/plane/latency.ts'
import { createPlane } from '../../engine/plane/listen.ts'
import type { Route } from '../../engine/plane/route.ts'
import { createRouter } from '../../engine/plane/router.ts'
import type { ServiceView } from '../../engine/service/unit.ts'
import { parseRef, type Ref } from '../../schema/ref.ts'
import { startProfile } from './profile.ts'

/** A connection must outlast the turns of the others. */
const idleMs = 60_000
const path = '/api/v1/client'
const schema = {
  type: 'object',
  properties: { client_id: { type: 'integer', minimum: 1 } },
  required: ['client_id'],
  additionalProperties: false,
}
const client = { name: 'Jane Doe', email: 'jane@example.com', segment: 'RNZ' }
const fits = new Ajv().compile(schema)

const asked: Record<string, () => unknown> = {
  cpu() {
    const { user, system } = process.cpuUsage()
    return user + system
  },
  async profile() {
    asked.shares = await startProfile()
    return null
  },
}

const servers: Record<string, () => Promise<number>> = {
  plumb: () => startPlane(null),
  async observed() {
    const log = createLog({ process: 'worker 1', human: false, access: true })
    return startPlane(log)
  },
  async node() {
    const server = createServer({ keepAliveTimeout: idleMs }, (request, response) => {
      if (request.method !== 'POST' || request.url !== path) return void response.writeHead(404).end()
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => {
        const payload: unknown = JSON.parse(Buffer.concat(chunks).toString())
        if (!fits(payload)) return void response.writeHead(400).end()
        const body = JSON.stringify({ ...client })
        response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }).end(body)
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return portOf(server.address())
  },

  async hono() {
    const app = new Hono()
    app.post(path, async context => {
      const payload: unknown = await context.req.json()
      return fits(payload) ? context.json({ ...client }) : context.json({}, 400)
    })
    return new Promise(resolve =>
      serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', serverOptions: { keepAliveTimeout: idleMs } }, ({ port }) => resolve(port)),
    )
  },

  async fastify() {
    const app = fastify({ keepAliveTimeout: idleMs })
    app.post(path, { schema: { body: schema } }, async () => ({ ...client }))
    await app.listen({ port: 0, host: '127.0.0.1' })
    return portOf(app.server.address())
  },
}

/** @param log null: without an access log, and nobody asks for its counters */
async function startPlane(log: ProcessLog | null): Promise<number> {
  const service: ServiceView = {
    name: 'client.get',
    check: payload =>
      fits(payload) ? [] : (fits.errors ?? []).map(({ instancePath, message }) => ({ pointer: instancePath, message: message ?? '' })),
    async run(unit) {
      const result = { ...client }
      unit.accept(result, 'client.get')
      return result
    },
    inputTypes: { client_id: 'integer' },
    deadlineMs: null,
    counters: { calls: 0, unmapped: 0, mapped: 0, latency: new Latency(), first: { calls: 0, unmapped: 0 } },
  }
  const ref = parseRef('service/client.get')
  const views = PersistentMap.of(new Map([[ref, service]]))
  const routes = Array.from(
    { length: 200 },
    (_, at): Route => ({
      ref: `channel_rest/r${at}`,
      pattern: at === 0 ? path : `/api/v1/r${at}`,
      method: 'POST',
      credentials: [],
      open: true,
      service: ref,
      timeoutMs: 10_000,
      contentType: 'application/json',
      closed: null,
    }),
  )
  const router = await createRouter().replace([], routes)
  const generation = {
    number: 1,
    manifest: emptyManifest,
    router,
    resolve: (wanted: Ref) => views.get(wanted),
    inFlight: 0,
    signal: new AbortController().signal,
    enter() {
      this.inFlight++
      let isInside = true
      return () => {
        if (isInside) this.inFlight--
        isInside = false
      }
    },
  }
  const silent = () => undefined
  const plane = createPlane({
    select: () => generation,
    log: { info: silent, warn: silent, error: silent },
    ...(log === null ? {} : { onAnswered: access => log.book.writeAccess(access) }),
  })
  asked.counted = () => plane.counters.snapshot().total.requests
  if (log !== null) watch(plane.counters)
  return (await plane.listen({ port: 0, host: '127.0.0.1' })).port
}

/** A scrape of every turn. */
function watch(counters: Counters): void {
  const facts = createProcessFacts()
  const { cpu } = asked
  asked.cpu = () => {
    JSON.stringify({ ...counters.snapshot(), process: facts() })
    return cpu?.()
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (typeof address !== 'object' || address === null) throw new Error('Cannot tell the port as the server listens on no TCP socket')
  return address.port
}

const start = servers[process.argv[2] ?? '']
if (start === undefined)
  throw new Error(`Cannot start a server as none is called ${JSON.stringify(process.argv[2])}: ${Object.keys(servers).join(', ')}`)
process.on('message', async question => process.send?.({ answer: await asked[String(question)]?.() }))
process.on('disconnect', () => process.exit())
process.send?.({ answer: await start() })
