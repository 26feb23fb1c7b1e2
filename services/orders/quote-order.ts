import { randomUUID } from 'node:crypto'
import { BadRequest, service } from 'plumb-server'
import { type Line, totalOf } from './price.ts'

export interface Address {
  street: string
  city: string
  /** @pattern ^[A-Z]{2}$ */
  country: string
  postal_code?: string
}

export type Payment = { kind: 'card'; token: string } | { kind: 'invoice'; due_days: 14 | 30 | 60; purchase_order?: string }

export interface QuoteOrderRequest {
  /** @minItems 1 */
  lines: Line[]
  ship_to: Address
  bill_to?: Address
  payment: Payment
  /** Free text for the warehouse. */
  note?: string
}

export interface QuoteOrderResponse {
  quote: string
  /** In cents. */
  total: number
  currency: 'EUR'
  payment: Payment['kind']
  deliver_to: string
}

const invoiceLimit = 1_000_000

/** Prices an order without placing it. */
export const quoteOrder = service<QuoteOrderRequest, QuoteOrderResponse>({
  name: 'orders.quote',
  async handle({ lines, ship_to, payment }, ctx) {
    const total = totalOf(lines)
    if (payment.kind === 'invoice' && total > invoiceLimit)
      throw new BadRequest('An order of this size cannot be paid by invoice', { extensions: { limit: invoiceLimit, total } })
    ctx.log.info({ lines: lines.length, total }, 'Quoted an order')
    return { quote: randomUUID(), total, currency: 'EUR', payment: payment.kind, deliver_to: `${ship_to.city}, ${ship_to.country}` }
  },
})
