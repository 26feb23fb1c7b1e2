// What every adapter has to keep, whatever its protocol. One suite, run against every row of the table.

import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { systemClock } from '../../adapters/clock.ts'
import type { Adapter, Declared, Surroundings } from '../../adapters/port.ts'
import { prepareInstance, type Wrapped } from '../../adapters/wrap.ts'
import { type TcpProxy, tcpProxy } from '../tcp-proxy.ts'
import { until } from '../until.ts'

export interface Subject {
  readonly adapter: Adapter
  /** The declaration with the far end at 127.0.0.1 and this port; `edition` makes declarations that differ. */
  declare(port: number, edition?: number): Declared
  /** Port of the real far end; absent where there is none. */
  readonly farPort?: number
  readonly dispose?: () => Promise<void>
}

/** Deadlines that are seconds in life are tried at this factor. */
const hastened = 0.05

const surroundings: Surroundings = {
  clock: { now: () => systemClock.now() / hastened, sleep: (ms, signal) => systemClock.sleep(ms * hastened, signal) },
  workers: 1,
  log: { info: () => undefined, warn: () => undefined, error: () => undefined },
}

/** @param test what runs the cases that need the far end; `vitest`'s own, or one that skips where it is missing */
export function adapterConformance(
  name: string,
  make: () => Promise<Subject> | Subject,
  testFar: typeof test | ((name: string, act: () => Promise<void>) => void) = test,
): void {
  const withInstance = (act: (subject: Subject, wrapped: Wrapped, proxy: TcpProxy) => Promise<void>) => async () => {
    const subject = await make()
    await using proxy = await tcpProxy({ port: subject.farPort ?? 9 })
    const wrapped = await prepareInstance(subject.adapter, subject.declare(proxy.port), surroundings)
    try {
      await act(subject, wrapped, proxy)
    } finally {
      await wrapped.close()
      await subject.dispose?.()
    }
  }
  const farTest = (sentence: string, act: (subject: Subject, wrapped: Wrapped, proxy: TcpProxy) => Promise<void>) =>
    testFar(
      `${name} ${sentence}`,
      withInstance(async (subject, wrapped, proxy) => {
        // An adapter without a far end has nothing to lose: its ping is absent by contract.
        if (wrapped.canPing) await act(subject, wrapped, proxy)
        else assert.deepEqual((await wrapped.ping()).ready, true)
      }),
    )

  describe(`${name} adapter`, () => {
    test(
      `${name} prepares while its far end is away`,
      withInstance(async (_subject, wrapped, proxy) => {
        await proxy.refuse()
        assert.equal(wrapped.status().ready, true)
      }),
    )

    test(
      `${name} closes an instance that was never used, once`,
      withInstance(async (_subject, wrapped) => {
        await Promise.all([wrapped.close(), wrapped.close()])
      }),
    )

    test(
      `${name} begins and ends intake as often as it is told`,
      withInstance(async (_subject, wrapped) => {
        for (let turn = 0; turn < 3; turn++) {
          await wrapped.start()
          assert.equal(wrapped.isStarted, wrapped.hasIntake)
          await wrapped.stop()
          assert.equal(wrapped.isStarted, false)
        }
        await wrapped.drain(1_000)
      }),
    )

    test(
      `${name} gives a view of its own to each generation and leaves the instance as it is`,
      withInstance(async (subject, wrapped, proxy) => {
        const resolve = () => undefined
        const first = wrapped.view(subject.declare(proxy.port, 1), resolve)
        const before = JSON.stringify(first)
        wrapped.view(subject.declare(proxy.port, 2), resolve)
        assert.equal(JSON.stringify(first), before)
      }),
    )

    test(
      `${name} shows no secret of its declaration`,
      withInstance(async (subject, wrapped, proxy) => {
        const declared = subject.declare(proxy.port)
        const shown = JSON.stringify([wrapped.status(), String(wrapped.view(declared, () => undefined))])
        for (const secret of declared.secrets.values()) assert(!shown.includes(secret.reveal()))
      }),
    )

    farTest('says in its ping that the far end answers', async (_subject, wrapped) => {
      assert.equal((await wrapped.ping()).reason, null)
    })

    farTest('names the place, and no secret, when the connection is refused', async (subject, wrapped, proxy) => {
      await proxy.refuse()
      const { reason } = await wrapped.ping()
      assert.match(String(reason), /^the connection was refused: .*127\.0\.0\.1/)
      for (const secret of subject.declare(proxy.port).secrets.values()) assert(!reason?.includes(secret.reveal()))
    })

    farTest('gives up on a far end that is silent, and closes at once', async (_subject, wrapped, proxy) => {
      proxy.fallSilent()
      const startedAt = performance.now()
      assert.equal((await wrapped.ping()).ready, false)
      await wrapped.close()
      assert(performance.now() - startedAt < 3_000)
      await until(() => proxy.open === 0, 'every socket is closed')
    })

    farTest('notices that a connection it uses fell silent', async (_subject, wrapped, proxy) => {
      await wrapped.ping()
      proxy.fallSilent()
      await until(async () => !(await wrapped.ping()).ready, 'the silence is noticed')
      await proxy.refuse()
      await proxy.accept()
      await until(async () => (await wrapped.ping()).ready, 'it is ready again')
    })

    farTest('recovers without a restart when the far end is back', async (_subject, wrapped, proxy) => {
      await wrapped.ping()
      await proxy.refuse()
      await until(async () => !(await wrapped.ping()).ready, 'the loss is noticed')
      wrapped.watch()
      await proxy.accept()
      await until(() => wrapped.status().ready, 'it is ready again')
    })

    farTest('leaves no socket open when it is closed', async (_subject, wrapped, proxy) => {
      await wrapped.ping()
      await wrapped.close()
      await until(() => proxy.open === 0, 'every socket is closed')
    })

    farTest('may be closed while a ping is under way', async (_subject, wrapped, proxy) => {
      proxy.fallSilent()
      const pinging = wrapped.ping()
      await wrapped.close()
      await pinging
      await until(() => proxy.open === 0, 'every socket is closed')
    })
  })
}
