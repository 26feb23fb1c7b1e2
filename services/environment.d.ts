// Written by `plumb types`. Names and payloads of the environment, for the editor and `plumb validate --types`.

export {}

type BillingListInvoicesInputInvoiceStatus = "open" | "paid" | "void"
type BillingListInvoicesInput = { "client_id": number; "status"?: BillingListInvoicesInputInvoiceStatus }
type BillingListInvoicesOutputInvoice = { "number": string; /** In cents. */ "amount": number; "status": BillingListInvoicesOutputInvoiceStatus }
type BillingListInvoicesOutputInvoiceStatus = "open" | "paid" | "void"
type BillingListInvoicesOutput = { "invoices": BillingListInvoicesOutputInvoice[] }
type BillingRecordPaymentInput = { "invoice": string; /** In cents. */ "amount": number }
type BillingRecordPaymentOutput = { "invoice": string; "status": "paid" }
type ClientGetInput = { "client_id": number }
type ClientGetOutput = { "name": string; "email": string; "segment": string }
type ClientOverviewInput = { "client_id": number }
type ClientOverviewOutputInvoice = { "number": string; /** In cents. */ "amount": number; "status": ClientOverviewOutputInvoiceStatus }
type ClientOverviewOutputInvoiceStatus = "open" | "paid" | "void"
type ClientOverviewOutput = { "name": string; "segment": string; "open_invoices": ClientOverviewOutputInvoice[]; /** In cents. */ "balance": number }
type CrmFindContactInput = { "email": string }
type CrmFindContactOutput = { "id": string; "email": string; "full_name": string }
type OrdersQuoteInputLine = { "sku": string; "quantity": number; /** In cents. */ "unit_price": number }
type OrdersQuoteInputAddress = { "street": string; "city": string; "country": string; "postal_code"?: string }
type OrdersQuoteInputPayment = { "kind": "card"; "token": string } | { "kind": "invoice"; "due_days": 14 | 30 | 60; "purchase_order"?: string }
type OrdersQuoteInput = { "lines": OrdersQuoteInputLine[]; "ship_to": OrdersQuoteInputAddress; "bill_to"?: OrdersQuoteInputAddress; "payment": OrdersQuoteInputPayment; /** Free text for the warehouse. */ "note"?: string }
type OrdersQuoteOutput = { "quote": string; /** In cents. */ "total": number; "currency": "EUR"; "payment": "card" | "invoice"; "deliver_to": string }
type SessionCountVisitInput = { "session": string }
type SessionCountVisitOutput = { "visits": number }
declare module 'plumb-server' {
  interface Connections {
    redis: "default"
    rest: "CRM"
    sql: "Billing"
  }
  interface Services {
    /** Invoices of a client, newest first. */
    "billing.list-invoices": { input: BillingListInvoicesInput; output: BillingListInvoicesOutput }
    /** Marks an open invoice as paid, in one transaction. */
    "billing.record-payment": { input: BillingRecordPaymentInput; output: BillingRecordPaymentOutput }
    /** Returns the client as the CRM knows it. */
    "client.get": { input: ClientGetInput; output: ClientGetOutput }
    /** One page about a client, from the client's own service and the invoices that are open. */
    "client.overview": { input: ClientOverviewInput; output: ClientOverviewOutput }
    /** Looks a contact up in the CRM by its address. */
    "crm.find-contact": { input: CrmFindContactInput; output: CrmFindContactOutput }
    /** Prices an order without placing it. */
    "orders.quote": { input: OrdersQuoteInput; output: OrdersQuoteOutput }
    /** Counts the visits of a session; the count ends half an hour after the last one. */
    "session.count-visit": { input: SessionCountVisitInput; output: SessionCountVisitOutput }
  }
}
