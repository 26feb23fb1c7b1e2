import assert from 'node:assert/strict'
import { test } from 'vitest'
import { problemOf } from '../../../engine/service/errors.ts'
import { createTestRuntime, echo, unitOf } from './estate.ts'

test('run() answers with what the handler returns', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ 'services/echo.ts': echo('return { echoed: request.text }') })
  assert.deepEqual(await service.run(unitOf(), { text: 'hi' }), { echoed: 'hi' })
  assert.deepEqual(service.counters, { calls: 1, unmapped: 0, first: { calls: 1, unmapped: 0 } })
  service.close()
})

test('run() logs an unmapped error once, with its place in TypeScript', async () => {
  const runtime = createTestRuntime()
  const service = await runtime.load({ 'services/echo.ts': echo('\n  if (request) throw new Error("boom")\n') })
  const error = await service.run(unitOf(), {}).catch(reason => reason)
  assert.equal(problemOf(error).status, 500)
  assert.equal(problemOf(error).unmapped, true)
  assert.equal(runtime.lines.length, 1)
  assert.match(JSON.stringify(runtime.lines[0]?.fields), /services\/echo\.ts:4:\d+/)
  service.close()
})
