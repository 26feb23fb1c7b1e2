import { NotFound, ServiceUnavailable, service } from 'plumb-server'

export interface FindContactRequest {
  /** @format email */
  email: string
}

export interface Contact {
  id: string
  email: string
  full_name: string
}

interface CrmContact {
  id: string
  email: string
  given_name: string
  family_name: string
}

/** Looks a contact up in the CRM by its address. */
export const findContact = service<FindContactRequest, Contact>({
  name: 'crm.find-contact',
  deadline: '5s',
  async handle({ email }, ctx) {
    const answer = await ctx.rest('CRM').get<CrmContact[]>('/contacts', { query: { email } })
    if (answer.status !== 200) throw new ServiceUnavailable(`The CRM answered ${answer.status}`)
    const [contact] = answer.body
    if (!contact) throw new NotFound('No contact has that address')
    return { id: contact.id, email: contact.email, full_name: `${contact.given_name} ${contact.family_name}` }
  },
})
