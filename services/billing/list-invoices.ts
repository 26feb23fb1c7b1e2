import { service } from 'plumb-server'

export interface ListInvoicesRequest {
  /** @minimum 1 */
  client_id: number
  status?: InvoiceStatus
}

export type InvoiceStatus = 'open' | 'paid' | 'void'

export interface Invoice {
  number: string
  /** In cents. */
  amount: number
  status: InvoiceStatus
}

export interface ListInvoicesResponse {
  invoices: Invoice[]
}

/** Invoices of a client, newest first. */
export const listInvoices = service<ListInvoicesRequest, ListInvoicesResponse>({
  name: 'billing.list-invoices',
  async handle({ client_id, status }, ctx) {
    const { rows } = await ctx
      .sql('Billing')
      .query<Invoice>(
        'SELECT number, amount, status FROM invoice WHERE client_id = $1 AND ($2::text IS NULL OR status = $2) ORDER BY number DESC LIMIT 100',
        [client_id, status ?? null],
      )
    return { invoices: rows }
  },
})
