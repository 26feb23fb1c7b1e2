import assert from 'node:assert/strict'
import { test } from 'vitest'
import { statusText } from '../../cli/status.ts'
import type { JsonObject } from '../../schema/json.ts'

const at = '2026-01-02T00:00:00.000Z'
const since = '2026-01-01T00:00:00.000Z'
const revision = 'a'.repeat(40)
const issue = { code: 'UNRESOLVED_REF', severity: 'error', message: 'Cannot resolve it', at: { path: 'a.yaml', line: 5, column: 3 } }
const live = { generation: 2, serial: 3, revision, since }

const rows: readonly (readonly [what: string, status: JsonObject, text: readonly string[], issues: number])[] = [
  ['nothing live', {}, ['Environment  dev', 'Generation   0 (serial 0)', 'Revision     none yet'], 0],
  [
    'what is live, and since when',
    { live, lastSync: { kind: 'live', revision, at, issues: [] } },
    [
      'Environment  dev',
      `Generation   2 (serial 3), live since ${since}`,
      `Revision     ${revision}`,
      `Last sync    revision ${revision} went live, at ${at}`,
    ],
    0,
  ],
  [
    'a revision that was refused, with its issues',
    { live, lastSync: { kind: 'refused', revision: 'b'.repeat(40), at, reasons: [issue.message], issues: [issue] } },
    [
      'Environment  dev',
      `Generation   2 (serial 3), live since ${since}`,
      `Revision     ${revision}`,
      `Last sync    revision ${'b'.repeat(40)} was refused, at ${at}`,
    ],
    1,
  ],
  [
    'deployed files, and those that gave way',
    {
      deployed: {
        layers: [
          { path: 'services/a.ts', by: 'ada', at, deleted: false },
          { path: 'services/b.ts', by: 'ada', at, deleted: true },
        ],
        superseded: [{ code: 'DEPLOY_SUPERSEDED', message: 'The deployed "services/c.ts" gave way', supersededAt: at }],
      },
    },
    [
      'Environment        dev',
      'Generation         0 (serial 0)',
      'Revision           none yet',
      `Deployed           services/a.ts, by ada, at ${at}`,
      `Deployed           services/b.ts, deleted, by ada, at ${at}`,
      `DEPLOY_SUPERSEDED  The deployed "services/c.ts" gave way, at ${at}`,
    ],
    0,
  ],
  [
    'a refusal without an issue, with its cause',
    { lastSync: { kind: 'refused', revision, at, reasons: ['Cannot prepare it'], issues: [] } },
    [
      'Environment  dev',
      'Generation   0 (serial 0)',
      'Revision     none yet',
      `Last sync    revision ${revision} was refused, at ${at}`,
      'Cause        Cannot prepare it',
    ],
    0,
  ],
  [
    'a source that cannot be reached, with its cause',
    { lastSync: { kind: 'failed', revision: null, fault: 'unreachable', at, reasons: ['Cannot reach git.example.com'] } },
    [
      'Environment  dev',
      'Generation   0 (serial 0)',
      'Revision     none yet',
      `Last sync    failed (unreachable), at ${at}`,
      'Cause        Cannot reach git.example.com',
    ],
    0,
  ],
  [
    'the first of many issues',
    { lastSync: { kind: 'refused', revision, at, issues: Array.from({ length: 12 }, () => issue) } },
    [
      'Environment  dev',
      'Generation   0 (serial 0)',
      'Revision     none yet',
      `Last sync    revision ${revision} was refused, at ${at}`,
      'Issues       the first 10 of 12; plumb status --json has them all',
    ],
    10,
  ],
]

for (const [what, status, text, issues] of rows)
  test(`statusText() says ${what}`, () => {
    const found = statusText('dev', status)
    assert.deepEqual([found.text.trimEnd().split('\n'), found.issues.length], [text, issues])
  })
