// What `import … from 'plumb-server/test'` gives to tests of services, as types. They are written into estates as one declaration file, so
// this imports nothing of ours but the types of the SDK; kit.ts is what it is when it runs.

import type { ConnectionName, ServiceInput, ServiceName, ServiceOutput } from '../../engine/service/sdk.ts'

export interface AppOptions {
  /** A folder of the estate, or one below it. Default: the working directory. */
  readonly estate?: string
  /** Directory under `environments/`. Default: that of the run, else `dev`. */
  readonly environment?: string
  /** What connections answer, by name: stubs as `*.test.yaml` has them, or an object that stands in for the client itself. */
  readonly connections?: Readonly<Record<string, readonly ConnectionStub[] | object>>
  /** The instant at which time stands still until `app.clock.advance`; ISO 8601, or milliseconds. Default: time runs. */
  readonly clock?: string | number | Date
  /** Values of secrets by name. Default: `test-<name>`; the sources of the environment are not read. */
  readonly secrets?: Readonly<Record<string, string>>
  /** Variables that stand over those of environment.yaml. */
  readonly vars?: Readonly<Record<string, string | number | boolean>>
  /** Process variables that stand over those of this process. What hangs on one that neither has is closed. */
  readonly env?: Readonly<Record<string, string>>
  /** A file, from the root of the estate, that takes down what REST connections answer. They are called, with the environment's own secrets. */
  readonly record?: string
  /** A file that `record` wrote: what its REST connections answered is answered again. */
  readonly replay?: string
}

/** Compiles the estate, or takes what it was compiled to, and builds it in this process. Rejects with what is wrong with it. */
export declare function createApp(options?: AppOptions): Promise<App>

/** The estate of one environment, in this process, without a network. `await using` ends it. */
export interface App extends AsyncDisposable {
  /** Sends a request to the channels: through the router, security, limits and validation. Rejects where a connection was called unexpectedly. */
  request(method: string, target: string, options?: RequestOptions): Promise<Answer>
  /** Calls a service by itself. Rejects with an `InvocationFailed`, or where a connection was called unexpectedly. */
  invoke<Name extends ServiceName>(name: Name, payload: ServiceInput<Name>): Promise<ServiceOutput<Name>>
  rest(name: ConnectionName<'rest'>): RestDouble
  sql(name: ConnectionName<'sql'>): SqlDouble
  redis(name: ConnectionName<'redis'>): RedisDouble
  /** The stand-in of a connection of another method of `ctx`. */
  client(method: string, name: string): ClientDouble
  /** Runs a job now, with its payload, and gives what its service returned; in tests no job starts by itself. Rejects as `invoke` does. */
  runJob(name: string): Promise<unknown>
  /** Carries out asynchronous calls that are due, one after the other, with those that they make. Rejects where a connection was called unexpectedly. */
  idle(): Promise<void>
  /** Asynchronous calls that wait, or that failed for good, in the order they were made. */
  queued(): readonly QueuedCall[]
  /** What went out, in order; of one connection where it is named. */
  calls(connection?: string): readonly OutgoingCall[]
  /** What services and the server logged. */
  readonly logs: readonly LogLine[]
  readonly clock: TestClock
  /** Where the channels listen, for a client of one's own: `http://127.0.0.1:41234`. */
  listen(): Promise<string>
}

export interface RequestOptions {
  /** Name of a security definition whose credential is sent. */
  readonly as?: string
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is. */
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  readonly query?: Query
}

export type Query = Readonly<Record<string, string | number | boolean | readonly (string | number | boolean)[] | undefined>>

export interface Answer {
  readonly status: number
  /** Names in lower case; a repeated header is joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The body where it is JSON, else undefined. It is of the type its reader says it is, as nobody else knows. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of it
  readonly json: any
  /** Ref of the channel that answered; null where none has the path. */
  readonly channel: string | null
}

/** How `invoke` rejects: the RFC 9457 body that a caller would get. */
export interface InvocationFailed extends Error {
  readonly status: number
  readonly problem: Readonly<Record<string, unknown>>
}

/** Time as services and the server see it. */
export interface TestClock {
  /** Milliseconds since 1970. */
  now(): number
  /** Moves time on by `2h`, `30s` or milliseconds: timers of services fire in order. Rejects where time runs. */
  advance(by: string | number): Promise<void>
}

export interface QueuedCall {
  readonly service: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of it
  readonly payload: any
  /** ISO 8601. */
  readonly dueAt: string
  /** How often it was tried. */
  readonly attempts: number
  /** Why it is not tried again; null while it waits. */
  readonly failure: string | null
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export type OutgoingCall = RestCall | SqlCall | RedisCall | ClientCall

export interface RestCall {
  /** Name of the connection. */
  readonly connection: string
  readonly method: string
  /** The whole path, without the query. */
  readonly path: string
  readonly query: Readonly<Record<string, string | readonly string[]>>
  /** Names in lower case, credentials included. */
  readonly headers: Readonly<Record<string, string>>
  /** Parsed where it is JSON, else text; null where there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read fields of it
  readonly body: any
}

export interface SqlCall {
  readonly connection: string
  readonly text: string
  readonly values: readonly unknown[]
}

export interface RedisCall {
  readonly connection: string
  /** In lower case. */
  readonly command: string
  readonly args: readonly string[]
}

export interface ClientCall {
  readonly connection: string
  /** Name of the function that was called. */
  readonly call: string
  readonly args: readonly unknown[]
}

export interface RestDouble {
  readonly calls: readonly RestCall[]
  /** Answers every request that fits. Of several that fit, those for one request come first in their order, then the one declared last. */
  reply(reply: RestReply): this
  /** Answers one request that fits. */
  replyOnce(reply: RestReply): this
}

/** A request that fits, and what it is answered. */
export interface RestReply {
  /** Default: any. */
  readonly method?: string
  /** The whole path, or what follows the connection's own; `{name}` stands for any segment. Default: any. */
  readonly path?: string | RegExp
  /** What the query must hold, at least. */
  readonly query?: Query
  /** What the body must hold, at least. */
  readonly body?: unknown
  /** Default 200. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly text?: string
  /** A failure in place of an answer: nothing was sent, the exchange broke, or the time ran out. */
  readonly error?: 'UNREACHABLE' | 'BROKEN' | 'TIMEOUT'
  /** How long the answer takes: `200ms`, `3s`. By the clock of the test. */
  readonly delay?: string
  /** Makes the answer of the call, in place of the fields above. */
  readonly answer?: (call: RestCall) => RestAnswer | Promise<RestAnswer>
}

export type RestAnswer = Pick<RestReply, 'status' | 'headers' | 'json' | 'text' | 'error' | 'delay'>

export interface SqlDouble {
  readonly calls: readonly SqlCall[]
  /**
   * Answers every statement that fits: a text it holds, in any case and spacing, or an expression. The one declared last comes first.
   * BEGIN, COMMIT, ROLLBACK and the like are answered as they are.
   */
  on(statement: string | RegExp, answer: SqlAnswer | ((call: SqlCall) => SqlAnswer | Promise<SqlAnswer>)): this
  /** The same for one statement; these come first, in their order. */
  once(statement: string | RegExp, answer: SqlAnswer | ((call: SqlCall) => SqlAnswer | Promise<SqlAnswer>)): this
}

/** Rows, rows with how many were touched, or what the statement fails with. */
export type SqlAnswer = readonly object[] | { readonly rows?: readonly object[]; readonly rowCount?: number } | Error

/** A Redis in memory, behind the real client: strings, counters, hashes, lists, sets, expiry, transactions. */
export interface RedisDouble {
  readonly calls: readonly RedisCall[]
  /** Sets a text key, without a call. */
  set(key: string, value: string): this
  /** What a text key holds; null where there is none. */
  get(key: string): string | null
  /** Answers a command that the memory does not know, or in its place. An error is the server's. */
  on(command: string, answer: (args: readonly string[]) => unknown): this
}

/** The stand-in of a client that has no double of its own. */
export interface ClientDouble {
  readonly calls: readonly ClientCall[]
  /** What a function of the client does. */
  on(call: string, answer: (...args: never[]) => unknown): this
}

/** One thing that a connection answers, as `*.test.yaml` has it. */
export interface ConnectionStub {
  /** A REST request that fits. Default: any. */
  readonly request?: Pick<RestReply, 'method' | 'query' | 'body'> & { readonly path?: string }
  /** What it is answered, every time; with `once`, one time. `body` is sent as JSON. */
  readonly reply?: Omit<RestAnswer, 'json'> & { readonly body?: unknown }
  readonly once?: boolean
  /** A text that an SQL statement holds. */
  readonly statement?: string
  readonly rows?: readonly object[]
  readonly rowCount?: number
  /** A key of Redis. */
  readonly key?: string
  readonly value?: string | number
}
