import { service } from 'plumb-server'
import type { Invoice } from '../billing/list-invoices.ts'

export interface ClientOverviewRequest {
  /** @minimum 1 */
  client_id: number
}

export interface ClientOverview {
  name: string
  segment: string
  open_invoices: Invoice[]
  /** In cents. */
  balance: number
}

/** One page about a client, from the client's own service and the invoices that are open. */
export const clientOverview = service<ClientOverviewRequest, ClientOverview>({
  name: 'client.overview',
  async handle({ client_id }, ctx) {
    const [client, { invoices }] = await Promise.all([
      ctx.invoke('client.get', { client_id }),
      ctx.invoke('billing.list-invoices', { client_id, status: 'open' }),
    ])
    return {
      name: client.name,
      segment: client.segment,
      open_invoices: invoices,
      balance: invoices.reduce((total, invoice) => total + invoice.amount, 0),
    }
  },
})
