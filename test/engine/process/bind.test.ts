import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'vitest'
import { BindError, bind } from '../../../engine/process/bind.ts'
import { temporaryDirectory } from '../../directory.ts'

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

test('bind() of port 0 tells which ports it opened, and they are held until it is stopped', async () => {
  await using directory = await temporaryDirectory()
  const script = join(directory.path, 'idle.js')
  await writeFile(script, 'setTimeout(() => undefined, 5_000)')
  const idle = { ...program, script }
  const any = { host: '127.0.0.1', port: 0 }
  const binding = await bind({
    channels: any,
    admin: any,
    workers: 1,
    silentMs: 60_000,
    graceMs: 1_000,
    codeCache: join(directory.path, 'cache'),
    control: idle,
    worker: idle,
  })
  const { channels, admin } = binding.ports
  assert(channels > 0 && admin > 0 && channels !== admin)
  for (const port of [channels, admin]) {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
  }
  binding.stop()
  await binding.ended
})
