// Carries out one case of a *.test.yaml on an application of its own, and says of what is not as expected where that is expected.

import { AssertionError } from 'node:assert'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { inspect } from 'node:util'
import type { Position } from '../../schema/issue.ts'
import type { TestCase } from '../../schema/test-case.ts'
import { startApp } from './app.ts'
import { type Mismatch, mismatch } from './match.ts'
import type { Answer, App, AppOptions, Query } from './test-api.ts'
import { readTestFile } from './test-file.ts'

/** @param index of the case in the file */
export async function runCase(path: string, index: number): Promise<void> {
  const file = readTestFile(path, readFileSync(path))
  const testCase = file.cases[index]?.testCase
  if (!testCase) throw new Error(`Cannot run case ${index + 1} of "${path}" as the file changed`)
  const { request } = testCase
  await using app = await startApp(optionsOf(path, testCase))
  const answer = await app.request(request.method, request.path, {
    ...(testCase.as === undefined ? {} : { as: testCase.as }),
    ...(request.headers ? { headers: request.headers } : {}),
    ...(request.query ? { query: request.query as Query } : {}), // what is no scalar is sent as text
    ...(request.body === undefined ? {} : typeof request.body === 'string' ? { body: request.body } : { json: request.body }),
  })
  const found = unmet(testCase.expect, answer, app)
  if (found) throw failure(found, { at: file.positionOf(`/${index}/expect${found.at}`), testCase, answer, app })
}

function optionsOf(path: string, { environment, clock, vars, secrets, connections }: TestCase): AppOptions {
  return {
    estate: dirname(path),
    ...(environment === undefined ? {} : { environment }),
    ...(clock === undefined ? {} : { clock }),
    ...(vars ? { vars } : {}),
    ...(secrets ? { secrets } : {}),
    ...(connections ? { connections } : {}),
  }
}

interface Unmet extends Pick<Mismatch, 'actual' | 'expected'> {
  readonly what: string
  /** JSON pointer into `expect`. */
  readonly at: string
}

/** The first thing that is not as expected. */
function unmet({ status, channel, headers, body, exact = false, calls }: TestCase['expect'], answer: Answer, app: App): Unmet | null {
  const name = answer.channel?.slice(answer.channel.indexOf('/') + 1) ?? null
  if (answer.status !== status) return { what: 'the status', at: '/status', actual: answer.status, expected: status }
  if (channel !== undefined && name !== channel) return { what: 'the channel', at: '/channel', actual: name, expected: channel }
  const lowered = Object.fromEntries(Object.entries(headers ?? {}).map(([key, value]) => [key.toLowerCase(), value]))
  const header = mismatch(answer.headers, lowered)
  if (header) return { ...header, what: `the header "${header.pointer.slice(1)}"`, at: '/headers' }
  if (body !== undefined) {
    const actual = answer.json === undefined ? answer.text : answer.json
    const found = mismatch(actual, body) ?? (exact ? mismatch(body, actual) : null)
    if (found && exact) return { actual, expected: body, what: 'the body', at: `/body${found.pointer}` }
    if (found) return { ...found, what: `the body${found.pointer === '' ? '' : ` at "${found.pointer}"`}`, at: `/body${found.pointer}` }
  }
  if (calls === undefined) return null
  const made = app.calls()
  if (made.length !== calls.length) return { what: 'the list of calls', at: '/calls', actual: made, expected: calls }
  const call = mismatch(made, calls)
  return call && { ...call, what: `the call at "${call.pointer}"`, at: `/calls${call.pointer}` }
}

interface Around {
  readonly at: Position
  readonly testCase: TestCase
  readonly answer: Answer
  readonly app: App
}

function failure({ what, actual, expected }: Unmet, { at, testCase: { request }, answer, app }: Around): AssertionError {
  const shown = (value: unknown) => inspect(value, { depth: 6, breakLength: 100 })
  const told = app.logs.filter(({ level }) => level === 'error' || level === 'warn').map(line => `  ${line.level}: ${line.message}`)
  const message = [
    `Cannot accept the answer to ${request.method} ${request.path} as ${what} is ${shown(actual)}: expected is ${shown(expected)}`,
    `  answered: ${answer.status} ${answer.text}`,
    ...told,
  ].join('\n')
  const error = new AssertionError({ message, actual, expected, operator: 'deepStrictEqual' })
  error.stack = `AssertionError: ${message}\n    at expect (${at.path}:${at.line}:${at.column})`
  return error
}
