import { Conflict, NotFound, service } from 'plumb-server'

export interface RecordPaymentRequest {
  /** @pattern ^INV-[0-9]{4,}$ */
  invoice: string
  /**
   * In cents.
   * @minimum 1
   */
  amount: number
}

export interface RecordPaymentResponse {
  invoice: string
  status: 'paid'
}

/** Marks an open invoice as paid, in one transaction. */
export const recordPayment = service<RecordPaymentRequest, RecordPaymentResponse>({
  name: 'billing.record-payment',
  async handle({ invoice, amount }, ctx) {
    const client = await ctx.sql('Billing').connect()
    try {
      await client.query('BEGIN')
      const { rows } = await client.query<{ amount: number; status: string }>(
        'SELECT amount, status FROM invoice WHERE number = $1 FOR UPDATE',
        [invoice],
      )
      const [found] = rows
      if (!found) throw new NotFound(`No invoice is numbered ${invoice}`)
      if (found.status !== 'open') throw new Conflict(`Invoice ${invoice} is ${found.status}`)
      if (found.amount !== amount) throw new Conflict(`Invoice ${invoice} is over ${found.amount}, not ${amount}`)
      await client.query("UPDATE invoice SET status = 'paid' WHERE number = $1", [invoice])
      await client.query('COMMIT')
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
    return { invoice, status: 'paid' }
  },
})
