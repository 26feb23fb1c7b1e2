import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { describe, test } from 'vitest'
import { logEvents, tellPeople } from '../../cli/tell.ts'
import type { Events } from '../../engine/admin/port.ts'
import type { JsonObject } from '../../schema/json.ts'

const at = { path: 'environments/base/channels.yaml', line: 5, column: 13 }
const unresolved = { code: 'UNRESOLVED_REF', severity: 'error', message: 'Cannot resolve "service/helo"', at }
const unserved = { code: 'FIELD_NOT_SERVED', severity: 'warning', message: 'Cannot serve "cache"', at }
const revision = 'a'.repeat(40)

function createEvents(): Events & { emit(type: string, body: JsonObject): void } {
  const listeners = new Set<Parameters<Events['subscribe']>[0]>()
  let seq = 0
  return {
    emit: (type, body) => listeners.forEach(listener => void listener({ seq: ++seq, type, at: '2026-01-01T00:00:00.000Z', body })),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

describe('logEvents()', () => {
  for (const [type, body, level, fields] of [
    [
      'sync.applied',
      {
        kind: 'live',
        revision,
        serial: 2,
        generation: 2,
        summary: { create: 1, update: 0, delete: 0 },
        issues: [unserved],
        phases: { head: 1 },
        elapsedMs: 9,
      },
      'info',
      {
        revision,
        serial: 2,
        generation: 2,
        summary: { create: 1, update: 0, delete: 0 },
        elapsedMs: 9,
        issues: [
          {
            at: 'environments/base/channels.yaml:5:13',
            severity: 'warning',
            code: 'FIELD_NOT_SERVED',
            message: 'Cannot serve "cache"',
          },
        ],
      },
    ],
    [
      'sync.failed',
      { kind: 'refused', code: 'INPUT', reasons: [unresolved.message], issues: Array.from({ length: 9 }, () => unresolved), issueCount: 9 },
      'warn',
      {
        code: 'INPUT',
        issueCount: 9,
        issues: Array.from({ length: 5 }, () => ({
          at: 'environments/base/channels.yaml:5:13',
          severity: 'error',
          code: 'UNRESOLVED_REF',
          message: unresolved.message,
        })),
      },
    ],
    [
      'sync.failed',
      { kind: 'failed', revision: null, fault: 'unreachable', reasons: ['Cannot reach git.example.com'] },
      'warn',
      { fault: 'unreachable', reasons: ['Cannot reach git.example.com'] },
    ],
    ['sync.recovered', { revision, failedAt: '2026-01-01T00:00:00.000Z' }, 'info', { revision, failedAt: '2026-01-01T00:00:00.000Z' }],
    [
      'sync.held',
      { plan: '1f', holds: [{ kind: 'approval', next: 'plumb apply 1f' }] },
      'warn',
      { plan: '1f', holds: [{ kind: 'approval', next: 'plumb apply 1f' }] },
    ],
    [
      'apply.applied',
      { actor: 'ada', plan: '1f', outcome: { kind: 'live', serial: 3, generation: 3, phases: {} } },
      'info',
      { serial: 3, generation: 3, plan: '1f', actor: 'ada' },
    ],
    [
      'rollback',
      { actor: 'ada', reason: 'too loud', from: 3, to: 2, mark: 'm1', dropped: [] },
      'warn',
      { from: 3, to: 2, mark: 'm1', dropped: [], actor: 'ada', reason: 'too loud' },
    ],
    ['probation.passed', { serial: 3, generation: 3 }, 'info', { serial: 3, generation: 3 }],
    ['service.quarantined', { ref: 'service/a', kills: 3 }, 'warn', { ref: 'service/a', kills: 3 }],
    ['of.another.version', { payload: { card: '4111' }, password: 'hunter2', serial: 1 }, 'info', { serial: 1 }],
  ] as const)
    test(`logs ${type} once, at level ${level}, with what is known of it and nothing else`, () => {
      const events = createEvents()
      const lines: unknown[] = []
      const write = (wrote: string) => (fields: Record<string, unknown>, message: string) =>
        void lines.push([wrote, fields, message.length > 0])
      logEvents(events, { info: write('info'), warn: write('warn'), error: write('error') })
      events.emit(type, body as unknown as JsonObject) // a literal of JSON
      assert.deepEqual(lines, [[level, { seq: 1, type, ...fields }, true]])
    })

  test('knows every event that is written to the journal', async () => {
    const root = join(import.meta.dirname, '..', '..')
    const told = await readFile(join(root, 'cli', 'tell.ts'), 'utf8')
    const found = new Set<string>()
    for (const folder of ['cli', 'engine', 'reconcile'])
      for (const name of await readdir(join(root, folder), { recursive: true }))
        if (name.endsWith('.ts') && name !== 'tell.ts')
          for (const [, announced, returned] of (await readFile(join(root, folder, name), 'utf8')).matchAll(
            /(?:announce|appendJournal)\(\s*'([a-z.]+)'|return '(sync\.[a-z]+)'/g,
          ))
            found.add(announced ?? returned ?? '')
    assert(found.has('rollback') && found.has('sync.held') && found.has('probation.failed'))
    assert.deepEqual(
      [...found].filter(type => !told.includes(`${type.includes('.') ? `'${type}'` : type}: {`)),
      [],
    )
  })
})

describe('tellPeople()', () => {
  const live = (generation: number, issues: readonly object[]) => ({ kind: 'live', generation, elapsedMs: 140, issues }) as JsonObject
  const place = 'environments/base/channels.yaml:5:13'

  for (const [what, told, expected] of [
    ['a revision without warnings', [['sync.applied', live(1, [])]], ['Live: generation 1 after 140 ms']],
    [
      'warnings in full, then as known ones',
      [
        ['sync.applied', live(1, [unserved])],
        ['sync.applied', live(2, [unserved])],
      ],
      [
        'Live: generation 1 after 140 ms',
        `${place}: warning FIELD_NOT_SERVED: Cannot serve "cache"`,
        'Live: generation 2 after 140 ms, 1 warning as before',
      ],
    ],
    [
      'warnings in full again where they came back',
      [
        ['sync.applied', live(1, [unserved])],
        ['sync.applied', live(2, [])],
        ['sync.applied', live(3, [unserved])],
      ],
      [
        'Live: generation 1 after 140 ms',
        `${place}: warning FIELD_NOT_SERVED: Cannot serve "cache"`,
        'Live: generation 2 after 140 ms',
        'Live: generation 3 after 140 ms',
        `${place}: warning FIELD_NOT_SERVED: Cannot serve "cache"`,
      ],
    ],
    [
      'errors at every save that has them',
      [
        ['sync.failed', { kind: 'refused', issues: [unresolved] }],
        ['sync.failed', { kind: 'refused', issues: [unresolved] }],
      ],
      [
        'Not applied, what was live stays live:',
        `${place}: error UNRESOLVED_REF: Cannot resolve "service/helo"`,
        'Not applied, what was live stays live:',
        `${place}: error UNRESOLVED_REF: Cannot resolve "service/helo"`,
      ],
    ],
    [
      'reasons where there is no issue',
      [['sync.failed', { kind: 'refused', issues: [], reasons: ['Cannot prepare it'] }]],
      ['Not applied, what was live stays live', 'Cannot prepare it'],
    ],
    ['nothing of what is for operators', [['generation.live', { serial: 1 }]], []],
  ] as const)
    test(`says ${what}`, () => {
      const events = createEvents()
      const written: string[] = []
      const stream = new Writable({
        write(chunk, _, done) {
          written.push(String(chunk))
          done()
        },
      })
      tellPeople(events, stream as unknown as NodeJS.WriteStream) // it is only written to
      for (const [type, body] of told) events.emit(type, body as unknown as JsonObject) // a literal of JSON
      assert.deepEqual(written.join('').split('\n').slice(0, -1), expected)
    })
})
