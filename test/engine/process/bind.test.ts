import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'vitest'
import { BindError, bind } from '../../../engine/process/bind.ts'

const program = { execArgv: [], script: '/nowhere.ts', args: [], env: 'all' as const }

test('bind() on a port that is taken says so, and keeps neither port', async () => {
  const [taken, free] = [createServer(), createServer()]
  for (const server of [taken, free]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  const portOf = (server: typeof taken) => (server.address() as AddressInfo).port // it listens on TCP
  const [channels, admin] = [portOf(free), portOf(taken)]
  free.close()
  await once(free, 'close')
  await assert.rejects(
    bind({
      channels: { host: '127.0.0.1', port: channels },
      admin: { host: '127.0.0.1', port: admin },
      workers: 1,
      silentMs: 1_000,
      graceMs: 1_000,
      codeCache: '/nowhere',
      control: program,
      worker: program,
    }),
    (error: Error) => {
      assert(error instanceof BindError)
      assert.equal(error.message, `Cannot listen on 127.0.0.1:${admin} as another process listens there; stop it or choose another port`)
      return true
    },
  )
  const again = createServer()
  again.listen(channels, '127.0.0.1')
  await once(again, 'listening')
  for (const server of [again, taken]) {
    server.close()
    await once(server, 'close')
  }
})
