import assert from 'node:assert/strict'
import { test } from 'vitest'
import { judgeProbation } from '../../../engine/generation/probation.ts'
import type { Health } from '../../../engine/process/messages.ts'

function healthOf(health: Partial<Health> = {}): Health {
  return { generation: 2, requests: 0, serverErrors: 0, previousShare: null, services: {}, ...health }
}

const changed = new Set(['service/a'])
const service = (calls: number, unmapped: number, name = 'service/a') => healthOf({ services: { [name]: { calls, unmapped } } })

for (const [what, evidence, reason] of [
  ['nothing', {}, null],
  ['two deaths', { deaths: 2 }, null],
  ['three deaths', { deaths: 3 }, '3 workers died since it went live'],
  ['a changed service with two errors in its first calls', { health: [service(5, 2)] }, null],
  [
    'a changed service with three errors in its first calls',
    { health: [service(3, 3)] },
    'service "service/a" failed in 3 of its first 3 calls',
  ],
  ['an unchanged service with errors', { health: [service(5, 5, 'service/b')] }, null],
  [
    'errors of two workers that are most of the first calls',
    { health: [service(2, 2), service(3, 1)] },
    'service "service/a" failed in 3 of its first 5 calls',
  ],
  ['few errors spread over many workers', { health: [service(5, 1), service(5, 1), service(5, 1)] }, null],
  ['19 requests that all failed', { health: [healthOf({ requests: 19, serverErrors: 19 })] }, null],
  [
    '20 requests with more than 5 points of errors',
    { health: [healthOf({ requests: 10, serverErrors: 1 }), healthOf({ requests: 10, serverErrors: 1 })] },
    '2 of 20 answers were server errors, 10 %; 0 % in the minute before',
  ],
  ['20 requests with exactly 5 points of errors', { health: [healthOf({ requests: 20, serverErrors: 1 })] }, null],
  ['as many errors as before', { health: [healthOf({ requests: 100, serverErrors: 50, previousShare: 0.5 })] }, null],
  [
    'more errors than before',
    { health: [healthOf({ requests: 100, serverErrors: 56, previousShare: 0.5 })] },
    '56 of 100 answers were server errors, 56 %; 50 % in the minute before',
  ],
] as const)
  test(`judgeProbation() of ${what} ${reason === null ? 'finds nothing' : 'fails it'}`, () =>
    assert.equal(judgeProbation({ deaths: 0, health: [], changed, ...evidence }), reason))
