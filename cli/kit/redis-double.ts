// The double of Redis connections: the real client of the real adapter, which speaks to a small server in this process over a stream
// that is no socket. What it has is the memory of one application.

import { Duplex } from 'node:stream'
import type { Adapter } from '../../adapters/port.ts'
import type { RedisInstance } from '../../adapters/redis.ts'
import { type DoubleSurroundings, type Doubles, Named } from './double.ts'
import type { Outgoing } from './outgoing.ts'
import { isHousekeeping, RedisMemory } from './redis-memory.ts'
import { CommandReader, type Reply, replyText } from './resp.ts'
import type { ConnectionStub, RedisCall, RedisDouble } from './test-api.ts'

export class RedisDoubles implements Doubles {
  readonly #named: Named<Control>

  constructor({ outgoing, clock }: DoubleSurroundings) {
    this.#named = new Named(name => new Control(name, outgoing, () => clock.now()))
  }

  adapter(real: Adapter): Adapter {
    const { prepare, view, close } = real as Adapter<RedisInstance> // the adapter of every kind whose clients are Redis clients
    const double: Adapter<RedisInstance> = {
      prepare: async (declared, surroundings) => {
        const instance = await prepare(declared, surroundings)
        const { redis } = instance
        // The client's own way to be given a stream; its types hide the field that the constructor filled.
        const connector = new Connector(this.#named.get(declared.resource.name))
        Object.assign(redis, { connector })
        redis.options.Connector = class {
          constructor() {
            Object.assign(this, connector)
            Object.setPrototypeOf(this, Connector.prototype)
          }
        } as unknown as NonNullable<typeof redis.options.Connector> // for copies made by duplicate()
        await redis.connect()
        return instance
      },
      ...(view ? { view } : {}),
      close,
    }
    return double as Adapter
  }

  of(name: string): RedisDouble {
    return this.#named.get(name)
  }

  stub(name: string, { key, value }: ConnectionStub): void {
    if (key === undefined || value === undefined)
      throw new TypeError(`Cannot stub "${name}" without a key and a value as it is a Redis connection: "key" and "value" are accepted`)
    this.#named.get(name).set(key, String(value))
  }
}

class Control implements RedisDouble {
  readonly #name: string
  readonly #outgoing: Outgoing
  readonly #memory: RedisMemory
  readonly #answers = new Map<string, (args: readonly string[]) => unknown>()

  constructor(name: string, outgoing: Outgoing, now: () => number) {
    this.#name = name
    this.#outgoing = outgoing
    this.#memory = new RedisMemory(now)
  }

  get calls(): readonly RedisCall[] {
    return this.#outgoing.of(this.#name, call => 'command' in call)
  }

  set(key: string, value: string): this {
    this.#memory.run('set', [key, value])
    return this
  }

  get(key: string): string | null {
    const value = this.#memory.run('get', [key])
    return typeof value === 'string' ? value : null
  }

  on(command: string, answer: (args: readonly string[]) => unknown): this {
    this.#answers.set(command.toLowerCase(), answer)
    return this
  }

  async run(command: string, args: readonly string[]): Promise<Reply> {
    if (!isHousekeeping(command)) this.#outgoing.add({ connection: this.#name, command, args })
    try {
      const answer = this.#answers.get(command)
      if (answer) return (await answer(args)) as Reply // what the test answers is written as far as it can be
      const reply = this.#memory.run(command, args)
      if (reply !== undefined) return reply
      const next = `app.redis("${this.#name}").on("${command}", args => …)`
      return this.#outgoing.refuse(`${command.toUpperCase()} to "${this.#name}", which its memory does not know,`, next)
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }
}

/** What ioredis asks for a connection. */
class Connector {
  readonly #control: Control
  #stream: Stream | null = null

  constructor(control: Control) {
    this.#control = control
  }

  async connect(): Promise<Stream> {
    this.#stream = new Stream(this.#control)
    return this.#stream
  }

  disconnect(): void {
    this.#stream?.destroy()
  }

  check(): boolean {
    return true
  }
}

/** A socket as far as ioredis uses one; a whole connection of its own, with its transaction. */
class Stream extends Duplex {
  readonly #control: Control
  readonly #reader = new CommandReader()
  #turn: Promise<unknown> = Promise.resolve()
  #queued: (readonly string[])[] | null = null

  constructor(control: Control) {
    super()
    this.#control = control
  }

  override _read(): void {
    // Replies are pushed when they are there.
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: () => void): void {
    for (const words of this.#reader.read(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, encoding)))
      this.#turn = this.#turn.then(async () => {
        const reply = await this.#answer(words)
        if (!this.destroyed) this.push(replyText(reply))
      })
    done()
  }

  async #answer([name = '', ...args]: readonly string[]): Promise<Reply> {
    const command = name.toLowerCase()
    switch (command) {
      case 'multi':
        this.#queued = []
        return { status: 'OK' }
      case 'discard':
        this.#queued = null
        return { status: 'OK' }
      case 'exec': {
        const replies: Reply[] = []
        for (const [first = '', ...rest] of this.#queued ?? []) replies.push(await this.#control.run(first.toLowerCase(), rest))
        this.#queued = null
        return replies
      }
    }
    if (this.#queued === null) return await this.#control.run(command, args)
    this.#queued.push([name, ...args])
    return { status: 'QUEUED' }
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  setTimeout(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}
