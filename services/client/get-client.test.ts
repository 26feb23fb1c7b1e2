import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp } from 'plumb-server/test'

test('a client is answered', async () => {
  await using app = await createApp()
  const answer = await app.request('POST', '/api/v1/client', { json: { client_id: 123 } })
  assert.equal(answer.status, 200)
  assert.deepEqual(answer.json, { name: 'Jane Doe', email: 'jane@example.com', segment: 'RNZ' })
})

test('a client that is no number is refused, with the field', async () => {
  await using app = await createApp()
  const answer = await app.request('POST', '/api/v1/client', { json: { client_id: 'Jane' } })
  assert.equal(answer.status, 400)
  assert.equal(answer.json.errors[0].pointer, '/client_id')
})

test('an overview has the open invoices of the client', async () => {
  await using app = await createApp()
  app.sql('Billing').on('from invoice', [{ number: 'INV-0001', amount: 1200, status: 'open' }])
  const overview = await app.invoke('client.overview', { client_id: 123 })
  assert.equal(overview.balance, 1200)
  assert.deepEqual(app.sql('Billing').calls[0]?.values, [123, 'open'])
})
