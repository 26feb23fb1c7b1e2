// The double of SQL connections: the real pool of the real adapter, whose clients ask the test instead of a server. So clients that are
// not released, released twice or used after that behave as they do in earnest.

import { EventEmitter } from 'node:events'
import type { Adapter } from '../../adapters/port.ts'
import type { SqlInstance } from '../../adapters/sql.ts'
import { Declarations, type DoubleSurroundings, type Doubles, Named } from './double.ts'
import type { Outgoing } from './outgoing.ts'
import type { ConnectionStub, SqlAnswer, SqlCall, SqlDouble } from './test-api.ts'

type MakeAnswer = (call: SqlCall) => SqlAnswer | Promise<SqlAnswer>

export class SqlDoubles implements Doubles {
  readonly #named: Named<Control>

  constructor({ outgoing }: DoubleSurroundings) {
    this.#named = new Named(name => new Control(name, outgoing))
  }

  adapter(real: Adapter): Adapter {
    const { prepare, view, close } = real as Adapter<SqlInstance> // the adapter of every kind whose clients are pools
    const double: Adapter<SqlInstance> = {
      prepare: async (declared, surroundings) => {
        const instance = await prepare(declared, surroundings)
        const control = this.#named.get(declared.resource.name)
        // What the pool makes its clients from; its types do not show it.
        Object.assign(instance.pool, {
          Client: class extends Client {
            constructor() {
              super(control)
            }
          },
        })
        // A test that ends without closing its application is not kept waiting for idle clients.
        instance.pool.options.allowExitOnIdle = true
        return instance
      },
      ...(view ? { view } : {}),
      close,
    }
    return double as Adapter
  }

  of(name: string): SqlDouble {
    return this.#named.get(name)
  }

  stub(name: string, { statement, rows, rowCount, once = false }: ConnectionStub): void {
    if (statement === undefined)
      throw new TypeError(`Cannot stub "${name}" without a statement as it is an SQL connection: "statement" and "rows" are accepted`)
    const answer = { ...(rows ? { rows } : {}), ...(rowCount === undefined ? {} : { rowCount }) }
    this.#named.get(name).declare(statement, answer, once)
  }
}

class Control implements SqlDouble {
  readonly #name: string
  readonly #outgoing: Outgoing
  readonly #answers = new Declarations<{ readonly fits: (text: string) => boolean; readonly make: MakeAnswer }>()

  constructor(name: string, outgoing: Outgoing) {
    this.#name = name
    this.#outgoing = outgoing
  }

  get calls(): readonly SqlCall[] {
    return this.#outgoing.of(this.#name, call => 'text' in call)
  }

  on(statement: string | RegExp, answer: SqlAnswer | MakeAnswer): this {
    return this.declare(statement, answer, false)
  }

  once(statement: string | RegExp, answer: SqlAnswer | MakeAnswer): this {
    return this.declare(statement, answer, true)
  }

  declare(statement: string | RegExp, answer: SqlAnswer | MakeAnswer, once: boolean): this {
    const wanted = statement instanceof RegExp ? statement : plain(statement)
    const fits = (text: string) => (wanted instanceof RegExp ? wanted.test(text) : plain(text).includes(wanted))
    this.#answers.add({ fits, make: typeof answer === 'function' ? answer : () => answer }, { once })
    return this
  }

  async run({ text, values, asArrays }: Statement): Promise<Result> {
    const call = { connection: this.#name, text, values }
    this.#outgoing.add(call)
    const answer = await this.#answerTo(call)
    if (answer instanceof Error) throw answer
    const { rows = [], rowCount = undefined } = isRows(answer) ? { rows: answer } : answer
    return {
      command: /^\s*([a-z]+)/i.exec(text)?.[1]?.toUpperCase() ?? '',
      rowCount: rowCount ?? rows.length,
      oid: null,
      fields: Object.keys(rows[0] ?? {}).map(name => ({ name })),
      rows: structuredClone(rows).map(row => (asArrays ? Object.values(row) : row)),
    }
  }

  #answerTo(call: SqlCall): SqlAnswer | Promise<SqlAnswer> {
    const found = this.#answers.take(({ fits }) => fits(call.text))
    if (found) return found.make(call)
    if (transaction.test(call.text)) return []
    const shown = call.text.replace(/\s+/g, ' ').trim().slice(0, 120)
    throw this.#outgoing.refuse(`"${shown}" to "${this.#name}"`, `app.sql("${this.#name}").on("${shown.slice(0, 30)}", [rows])`)
  }
}

const transaction = /^\s*(?:begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|set|reset|discard)\b/i

interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
  readonly asArrays: boolean
}

interface Result {
  readonly command: string
  readonly rowCount: number
  readonly oid: null
  readonly fields: readonly { readonly name: string }[]
  readonly rows: readonly unknown[]
}

type Callback = (error: unknown, result?: Result) => void

/** As much of pg's client as its pool and the authors of services use. */
class Client extends EventEmitter {
  /** The pool throws away a client that lacks it. */
  readonly _queryable = true
  readonly #control: Control
  /** A client carries its statements out one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(control: Control) {
    super()
    this.#control = control
  }

  connect(done: (error?: Error) => void): void {
    process.nextTick(done)
  }

  end(done?: () => void): Promise<void> {
    this.emit('end')
    if (done) process.nextTick(done)
    return Promise.resolve()
  }

  query(...args: unknown[]): Promise<Result> | undefined {
    const done = args.findLast(argument => typeof argument === 'function') as Callback | undefined // pg takes it last
    const result = this.#turn.then(() => this.#control.run(statementOf(args)))
    this.#turn = result.catch(() => undefined) // told to whoever asked
    if (!done) return result
    result.then(
      found => done(null, found),
      error => done(error),
    )
    return undefined
  }

  ref(): void {
    this.emit('ref')
  }

  unref(): void {
    this.emit('unref')
  }

  isConnected(): boolean {
    return true
  }

  escapeIdentifier(text: string): string {
    return `"${text.replaceAll('"', '""')}"`
  }

  escapeLiteral(text: string): string {
    return `'${text.replaceAll("'", "''")}'`
  }
}

/** `query(text, values)`, `query({ text, values })`, and both at once. */
function statementOf([first, second]: readonly unknown[]): Statement {
  const config = typeof first === 'object' && first !== null ? first : { text: first }
  if ('submit' in config && typeof config.submit === 'function')
    throw new TypeError('Cannot answer a cursor or a stream of rows as the double of a pool knows statements alone')
  const given = Array.isArray(second) ? second : 'values' in config && Array.isArray(config.values) ? config.values : []
  const text = 'text' in config ? String(config.text) : ''
  return { text, values: given, asArrays: 'rowMode' in config && config.rowMode === 'array' }
}

function isRows(answer: Exclude<SqlAnswer, Error>): answer is readonly object[] {
  return Array.isArray(answer)
}

function plain(text: string): string {
  return text.replace(/\s+/g, ' ').trim().toLowerCase()
}
