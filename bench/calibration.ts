// How fast the machine is at this moment: a fixed loop of what the server's work is made of, JSON, Ajv and fsync. Goals in
// milliseconds were set for the reference machine; elsewhere, or while others use the machine, they grow by the ratio.

import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileModel } from '../schema/model.ts'
import { median } from './row.ts'

/** Milliseconds of one loop on the reference machine, a virtual one of 2 cores, while nothing else ran. */
export const referenceMs = 28
const documents = 5_000
const syncs = 8
/** Until the compiler of the engine has done its work. */
const warmUps = 5

export interface Calibration extends Disposable {
  /** Milliseconds of one loop. */
  measure(): number
}

export function createCalibration(): Calibration {
  const folder = mkdtempSync(join(tmpdir(), 'plumb-calibration-'))
  const file = openSync(join(folder, 'file'), 'w')
  const model = compileModel(schema)
  const text = JSON.stringify(sample)
  const loop = (times: number) => {
    const startedAt = performance.now()
    for (let count = 0; count < times; count++) {
      const value: unknown = JSON.parse(text)
      if (model.check(value).length > 0) throw new Error('The sample of the calibration fits its schema')
      if (JSON.stringify(value).length !== text.length) throw new Error('The sample of the calibration is the same after a round trip')
    }
    for (let count = 0; count < syncs; count++) {
      writeSync(file, text)
      fsyncSync(file)
    }
    return performance.now() - startedAt
  }
  for (let count = 0; count < warmUps; count++) loop(documents)
  return {
    measure() {
      // After a pause the caches are cold, which says nothing about the machine.
      loop(documents / 5)
      return loop(documents)
    },
    [Symbol.dispose]() {
      closeSync(file)
      rmSync(folder, { recursive: true })
    },
  }
}

/** How much slower the machine is than the reference. Never under 1: a goal is what was promised, also on a faster one. */
export function slownessOf(calibrations: readonly number[]): number {
  return Math.max(1, median(calibrations) / referenceMs)
}

const sample = {
  client_id: 123,
  name: 'Jane Doe',
  segments: ['RNZ', 'CM1L', 'TMF4'],
  addresses: Array.from({ length: 6 }, (_, at) => ({ street: `Street ${at}`, city: 'Warsaw', postcode: `00-00${at}`, current: at === 0 })),
}

const schema = {
  type: 'object',
  required: ['client_id', 'name', 'segments', 'addresses'],
  additionalProperties: false,
  properties: {
    client_id: { type: 'integer', minimum: 1 },
    name: { type: 'string', minLength: 1 },
    segments: { type: 'array', items: { type: 'string', enum: ['RNZ', 'CM1L', 'TMF4'] } },
    addresses: {
      type: 'array',
      items: {
        type: 'object',
        required: ['street', 'city', 'postcode', 'current'],
        additionalProperties: false,
        properties: {
          street: { type: 'string' },
          city: { type: 'string' },
          postcode: { type: 'string', pattern: '^[0-9]{2}-[0-9]{3}$' },
          current: { type: 'boolean' },
        },
      },
    },
  },
}
