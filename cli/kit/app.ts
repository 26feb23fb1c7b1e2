// An application under test: the generation that a server would build of the estate, in this process, with doubles in place of what
// would reach out. Requests go through a listener of the real data plane, which opens on loopback when it is first needed.

import { resolve } from 'node:path'
import { Pool } from 'undici'
import { isCredentialSender } from '../../adapters/credential.ts'
import type { Surroundings } from '../../adapters/port.ts'
import { adapterTable } from '../../adapters/table.ts'
import { buildGeneration } from '../../engine/generation/build.ts'
import type { BuiltGeneration } from '../../engine/generation/built.ts'
import { drainGeneration } from '../../engine/generation/drain.ts'
import type { Invocation } from '../../engine/generation/engine.ts'
import { filledSpec } from '../../engine/generation/filled-spec.ts'
import { Instances } from '../../engine/generation/instances.ts'
import { canonicalTarget } from '../../engine/plane/canonical.ts'
import { channelRow } from '../../engine/plane/channel.ts'
import { createPlane, type Plane } from '../../engine/plane/listen.ts'
import { createRouter } from '../../engine/plane/router.ts'
import { invokeService } from '../../engine/process/calls.ts'
import { jobKind } from '../../engine/scheduler/adapter.ts'
import { jobOf } from '../../engine/scheduler/job.ts'
import { clientKinds } from '../../engine/service/client-kinds.ts'
import { createServiceRuntime, type ServiceRuntime } from '../../engine/service/runtime.ts'
import type { Delivery, ServiceInput, ServiceName, ServiceOutput } from '../../engine/service/sdk.ts'
import type { Json } from '../../schema/json.ts'
import { didYouMean } from '../../schema/nearest.ts'
import { type KindName, refOf } from '../../schema/ref.ts'
import { Secret } from '../../schema/secret.ts'
import { builtinVocabulary } from '../../schema/vocabulary.ts'
import { estateRoot } from '../estate-root.ts'
import { type AppTime, createTime } from './clock.ts'
import type { CompiledEstate } from './compiled-estate.ts'
import type { Doubles } from './double.ts'
import { createDoubles, withDoubles } from './doubles.ts'
import { environmentVariable, loadEstate } from './estate.ts'
import { LogCapture } from './log-capture.ts'
import { manifestOf } from './manifest.ts'
import { Outgoing } from './outgoing.ts'
import { Recorder, readRecording } from './recording.ts'
import type {
  Answer,
  App,
  AppOptions,
  ClientDouble,
  ConnectionStub,
  InvocationFailed,
  OutgoingCall,
  RedisDouble,
  RequestOptions,
  RestDouble,
  SqlDouble,
} from './test-api.ts'
import { createWork, type Work } from './work.ts'

export async function startApp(options: AppOptions): Promise<App> {
  const root = estateRoot(options.estate ?? '.')
  const vocabulary = builtinVocabulary()
  const { environment = process.env[environmentVariable] ?? 'dev', record, secrets, vars, env } = options
  const estate = await loadEstate({
    root,
    environment,
    vocabulary,
    realSecrets: record !== undefined,
    ...(secrets ? { secrets } : {}),
    ...(vars ? { vars } : {}),
    ...(env ? { env } : {}),
  })
  const app = new TestApp(root, estate, { ...options, environment, kinds: clientKinds(vocabulary) })
  await app.start()
  return app
}

interface Settings extends AppOptions {
  readonly environment: string
  /** Client method → its kinds. */
  readonly kinds: ReadonlyMap<string, readonly KindName[]>
}

/** How long the end waits for what still runs. */
const graceMs = 1_000

class TestApp implements App {
  readonly #root: string
  readonly #estate: CompiledEstate
  readonly #settings: Settings
  readonly #time: AppTime
  readonly #log = new LogCapture()
  readonly #outgoing = new Outgoing()
  readonly #instances = new Instances()
  readonly #recorder: Recorder | null
  readonly #doubles: ReadonlyMap<string, Doubles>
  readonly #work: Work
  readonly #runtime: ServiceRuntime
  readonly #plane: Plane
  #live: BuiltGeneration | null = null
  #client: Promise<{ readonly origin: string; readonly client: Pool }> | null = null

  constructor(root: string, estate: CompiledEstate, settings: Settings) {
    this.#root = root
    this.#estate = estate
    this.#settings = settings
    this.#time = createTime(settings.clock)
    const secrets = estate.entries.flatMap(entry => Object.values(entry.secrets).map(value => new Secret(value)))
    this.#recorder = settings.record === undefined ? null : new Recorder(resolve(root, settings.record), secrets)
    const surroundings = { outgoing: this.#outgoing, clock: this.#time.clock, recorder: this.#recorder }
    this.#doubles = createDoubles(settings.kinds.keys(), surroundings)
    this.#work = createWork(this.#time.clock, (call, delivery) => invokeService(this.#live, call, { delivery }))
    const modules = new Map(estate.modules.map(module => [module.digest, module]))
    this.#runtime = createServiceRuntime({
      moduleOf: digest => modules.get(digest),
      dependencies: () => estate.librariesFolder,
      fileName: path => resolve(root, path),
      clients: settings.kinds,
      submit: call => this.#work.submit(call),
      log: this.#log,
      time: this.#time.service,
    })
    this.#plane = createPlane({
      select: () => this.#live,
      log: this.#log,
      errorFields: error => this.#runtime.errorFields(error),
    })
  }

  async start(): Promise<void> {
    const { manifest, unseal } = manifestOf(this.#estate)
    const surroundings: Surroundings = { clock: this.#time.clock, workers: 1, log: this.#log }
    const given = await this.#declareConnections()
    const rows = adapterTable([channelRow, { kind: this.#runtime.kind, adapter: this.#runtime.adapter }])
    this.#live = await buildGeneration({
      number: 1,
      base: null,
      manifest,
      delta: null,
      table: withDoubles(rows, this.#settings.kinds, { doubles: this.#doubles, given }),
      instances: this.#instances,
      surroundings,
      router: createRouter(),
      preflight: 'warn',
      unseal,
    })
  }

  async request(method: string, target: string, options: RequestOptions = {}): Promise<Answer> {
    const { json, body, query = {}, as } = options
    const { client } = await this.#opened()
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query))
      for (const item of [value].flat()) if (item !== undefined) search.append(name, String(item))
    const path = search.size === 0 ? target : `${target}${target.includes('?') ? '&' : '?'}${search}`
    const response = await client.request({
      // What is no method of HTTP is for the plane to answer.
      method: method as 'GET',
      path,
      headers: {
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(as === undefined ? {} : this.#credentialOf(as)),
        ...options.headers,
      },
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
    })
    const text = await response.body.text()
    this.#outgoing.throwUnexpected()
    const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, [value].flat().join(', ')]))
    return { status: response.statusCode, headers, text, json: jsonOf(text), channel: this.#channelOf(method, path) }
  }

  async invoke<Name extends ServiceName>(name: Name, payload: ServiceInput<Name>): Promise<ServiceOutput<Name>> {
    // A payload goes the way of JSON, as from every caller.
    const result = await this.#call({ service: name, payload: JSON.parse(JSON.stringify(payload ?? null)) as Json })
    return result as ServiceOutput<Name> // what the service says it returns
  }

  async runJob(name: string): Promise<unknown> {
    const entry = this.#estate.entries.find(({ resource }) => resource.kind === jobKind && resource.name === name)
    if (!entry) throw this.#unknown('job', name, [jobKind])
    const secrets = new Map(Object.entries(entry.secrets).map(([pointer, value]) => [pointer, new Secret(value)]))
    const { spec } = entry.resource
    const { service, payload, deadlineMs } = jobOf({ resource: { ...entry.resource, spec: filledSpec(spec, secrets) }, secrets })
    const nominalAt = new Date(this.#time.clock.now()).toISOString()
    const delivery = { kind: 'job', id: `${name} ${nominalAt}`, attempt: 1, redelivered: false, job: name, nominalAt } as const
    return await this.#call({ service, payload, deadlineMs }, delivery)
  }

  async #call(invocation: Invocation, delivery: Delivery | null = null): Promise<Json> {
    const logged = this.#log.lines.length
    const outcome = await invokeService(this.#live, invocation, { delivery })
    this.#outgoing.throwUnexpected()
    if (outcome.kind === 'answered') return outcome.payload
    const { status, problem } = outcome
    const told = status < 500 ? null : this.#log.lastError(logged)
    const detail = String(problem.detail ?? problem.title)
    const message = `Service "${invocation.service}" failed with ${status}: ${detail}${told === null ? '' : `\n  ${told}`}`
    throw Object.assign(new Error(message), { name: 'InvocationFailed', status, problem }) satisfies InvocationFailed
  }

  async idle(): Promise<void> {
    await this.#work.idle()
    this.#outgoing.throwUnexpected()
  }

  queued() {
    return this.#work.list()
  }

  rest(name: string): RestDouble {
    return this.#doubleOf('rest', name) as RestDouble // its method says which double it has
  }

  sql(name: string): SqlDouble {
    return this.#doubleOf('sql', name) as SqlDouble // as above
  }

  redis(name: string): RedisDouble {
    return this.#doubleOf('redis', name) as RedisDouble // as above
  }

  client(method: string, name: string): ClientDouble {
    return this.#doubleOf(method, name) as ClientDouble // as above
  }

  calls(connection?: string): readonly OutgoingCall[] {
    return this.#outgoing.of(connection, (call): call is OutgoingCall => call !== undefined)
  }

  get logs() {
    return this.#log.lines
  }

  get clock() {
    return this.#time.test
  }

  async listen(): Promise<string> {
    return (await this.#opened()).origin
  }

  /** @throws UnexpectedCall where nobody was told of one */
  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#client
    await opened?.client.destroy()
    if (opened) await this.#plane.close({ graceMs })
    const live = this.#live
    this.#live = null
    // Time may stand still; the end does not wait for it.
    if (live) await drainGeneration(live, { instances: this.#instances, clock: this.#time.clock, deadlineMs: 0 })
    await this.#recorder?.save()
    this.#outgoing.throwUnexpected()
  }

  #opened(): Promise<{ readonly origin: string; readonly client: Pool }> {
    this.#client ??= this.#plane.listen({ port: 0, host: '127.0.0.1' }).then(({ port }) => {
      const origin = `http://127.0.0.1:${port}`
      // The plane has the deadlines; several requests at once take a connection each.
      return { origin, client: new Pool(origin, { headersTimeout: 0, bodyTimeout: 0 }) }
    })
    return this.#client
  }

  /** What was handed in as a client; the rest are stubs, which the doubles take. */
  async #declareConnections(): Promise<ReadonlyMap<string, object>> {
    const given = new Map<string, object>()
    for (const [name, what] of Object.entries(this.#settings.connections ?? {})) {
      const method = this.#methodOf(name)
      if (!Array.isArray(what)) given.set(name, what)
      else for (const stub of what as readonly ConnectionStub[]) this.#doubles.get(method)?.stub(name, stub) // the types say so
    }
    if (this.#settings.replay !== undefined) {
      const recording = await readRecording(resolve(this.#root, this.#settings.replay))
      for (const [name, exchanges] of Object.entries(recording)) {
        const double = this.#doubles.get(this.#methodOf(name))
        // In the order they were recorded; of those that are alike the last one goes on answering.
        for (const { request, reply } of exchanges) double?.stub(name, { request, reply, once: true })
        for (const { request, reply } of exchanges) double?.stub(name, { request, reply })
      }
    }
    return given
  }

  /** The client method of a declared connection. */
  #methodOf(name: string): string {
    const found = [...this.#settings.kinds].find(([, kinds]) => this.#has(kinds, name))
    if (found) return found[0]
    throw this.#unknown('connection', name, [...this.#settings.kinds.values()].flat())
  }

  #doubleOf(method: string, name: string): object {
    const kinds = this.#settings.kinds.get(method) ?? []
    const double = this.#doubles.get(method)
    if (!double || !this.#has(kinds, name)) throw this.#unknown(`${method} connection`, name, kinds)
    return double.of(name)
  }

  #has(kinds: readonly KindName[], name: string): boolean {
    return kinds.some(kind => this.#live?.manifest.entries.has(refOf(kind, name)) ?? this.#isDeclared(kind, name))
  }

  #isDeclared(kind: KindName, name: string): boolean {
    return this.#estate.entries.some(({ resource }) => resource.kind === kind && resource.name === name)
  }

  #unknown(what: string, name: string, kinds: readonly KindName[]): Error {
    const names = this.#estate.entries.filter(({ resource }) => kinds.includes(resource.kind)).map(({ resource }) => resource.name)
    return new Error(`Cannot find the ${what} "${name}" in environment "${this.#settings.environment}"${didYouMean(name, names)}`)
  }

  #credentialOf(name: string): Readonly<Record<string, string>> {
    const senders = this.#estate.entries.flatMap(({ resource }) => {
      const view = this.#live?.resolve(resource.ref)
      return isCredentialSender(view) ? [{ name: resource.name, view }] : []
    })
    const sender = senders.find(one => one.name === name)
    if (!sender) {
      const names = senders.map(one => one.name)
      throw new Error(
        `Cannot call as "${name}" as environment "${this.#settings.environment}" has no such security${didYouMean(name, names)}`,
      )
    }
    if (sender.view.closed !== null) throw new Error(`Cannot call as "${name}" as ${sender.view.closed}`)
    return sender.view.headers()
  }

  #channelOf(method: string, target: string): string | null {
    const canonical = canonicalTarget(target, null)
    const match = canonical.kind === 'path' ? this.#live?.router.match(method.toUpperCase(), canonical.path) : undefined
    return match?.kind === 'found' ? match.route.ref : null
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the answer is no JSON, and says so by its type
  }
}
