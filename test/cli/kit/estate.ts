// A small estate in a folder of its own, with each kind of connection, for tests of the test kit.

import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { temporaryDirectory } from '../../directory.ts'

const files: Readonly<Record<string, string>> = {
  'environments/dev/environment.yaml': `environment: dev
services: ../../services
env: [PLUMB_KIT_HOST]
secrets:
  - env: PLUMB_SECRET_
vars:
  host: http://far.example.com
`,
  'environments/dev/all.yaml': `channel_rest:
  - { name: order, service: order.place, url_path: /orders, method: POST, security: shop }
  - { name: status, service: order.status, url_path: '/orders/{id}', method: GET, public: true }
  - { name: away, service: order.away, url_path: /away, method: GET, public: true }
security:
  - { name: shop, type: basic_auth, username: shop, password: '\${{ secrets.shop }}' }
  - { name: stock-token, type: bearer_token, static_token: '\${{ secrets.stock }}' }
outgoing_rest:
  - { name: CRM, host: '\${{ vars.host }}', url_path: /api, security: stock-token, data_format: json, timeout: 1, max_retries: 1 }
  - { name: Unset, host: '\${{ env.PLUMB_KIT_HOST }}', url_path: / }
sql:
  - { name: Billing, type: postgresql, host: db.example.com, port: 5432, db_name: ledger, username: app }
redis:
  - { name: default, host: redis.example.com }
scheduler:
  - { name: remind, service: order.reminded, job_type: interval_based, hours: 1, extra: '{"text": "by the hour"}' }
`,
  'services/order.ts': `import { Conflict, service } from 'plumb-server'

interface Order {
  sku: string
  /** @minimum 1 */
  quantity: number
}

export const place = service<Order, { id: number; left: number }>({
  name: 'order.place',
  async handle({ sku, quantity }, ctx) {
    const answer = await ctx.rest('CRM').post<{ left: number }>('/items/' + sku + '/take', { quantity })
    if (answer.status !== 200) throw new Conflict('The stock answered ' + answer.status)
    const client = await ctx.sql('Billing').connect()
    try {
      await client.query('BEGIN')
      const { rows } = await client.query<{ id: number }>('INSERT INTO orders (sku, quantity) VALUES ($1, $2) RETURNING id', [sku, quantity])
      await client.query('COMMIT')
      const id = rows[0]?.id ?? 0
      await ctx.redis('default').set('order:' + id, 'open', 'EX', 60)
      ctx.log.info({ id }, 'Placed')
      return { id, left: answer.body.left }
    } finally {
      client.release()
    }
  },
})

export const status = service<{ id: string }, { status: string | null; at: string }>({
  name: 'order.status',
  async handle({ id }, ctx) {
    return { status: await ctx.redis('default').get('order:' + id), at: new Date().toISOString() }
  },
})

export const away = service<unknown, { caught: boolean }>({
  name: 'order.away',
  async handle(_, ctx) {
    try {
      await ctx.rest('CRM').get('/items')
    } catch {
      return { caught: true }
    }
    return { caught: false }
  },
})

let ticks = 0
export const tick = service<unknown, { ticks: number; waited: boolean }>({
  name: 'order.tick',
  handle() {
    setInterval(() => { ticks++ }, 60_000)
    return { ticks, waited: false }
  },
})

export const broken = service<unknown, unknown>({
  name: 'order.broken',
  handle() {
    throw new Error('It broke')
  },
})

export const later = service<{ fails?: boolean }, unknown>({
  name: 'order.later',
  async handle({ fails = false }, ctx) {
    await ctx.invokeAsync('order.noted', { text: 'now', fails }, { attempts: 2 })
    await ctx.schedule.once('order.noted', { text: 'then' }, { at: '2026-01-01T09:00:00Z' })
  },
})

export const noted = service<{ text: string; fails?: boolean }, unknown>({
  name: 'order.noted',
  async handle({ text, fails = false }, ctx) {
    if (fails) throw new Error('No luck')
    ctx.log.info({ attempt: ctx.delivery?.attempt }, 'Noted ' + text)
  },
})

export const reminded = service<{ text: string }, { reminded: string; job: string | null; at: string | null }>({
  name: 'order.reminded',
  async handle({ text }, ctx) {
    if (await ctx.redis('default').get('order:none')) throw new Error('No luck')
    return { reminded: text, job: ctx.delivery?.job ?? null, at: ctx.delivery?.nominalAt ?? null }
  },
})

export const unset = service<unknown, unknown>({ name: 'order.unset', handle: (_, ctx) => ctx.rest('Unset').get() })
`,
}

export async function kitEstate(more: Readonly<Record<string, string>> = {}): Promise<{ readonly path: string } & AsyncDisposable> {
  const directory = await temporaryDirectory()
  for (const [path, text] of Object.entries({ ...files, ...more })) {
    await mkdir(dirname(join(directory.path, path)), { recursive: true })
    await writeFile(join(directory.path, path), text)
  }
  return directory
}
