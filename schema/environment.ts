// environment.yaml, typed: what the team decides about one environment, in git. Input fields (extends, services, vars, env,
// secrets) come from the revision that is compiled; settings judge the revisions after it.

import { isLastingCron } from './cron.ts'
import { createReader } from './document.ts'
import { durationMs } from './duration.ts'
import schema from './environment.json' with { type: 'json' }
import type { Finding } from './finding.ts'
import type { EnvironmentYaml } from './generated/environment.ts'
import type { JsonObject } from './json.ts'

/** What the environment decides about the running of a generation; policy that is judged later is kept with it. */
export interface EnvironmentSettings {
  readonly environment: string
  readonly mode: 'git' | 'live'
  readonly requireSecurity: boolean
  readonly preflight: 'require' | 'warn'
  readonly probationMs: number
  readonly auto: boolean
  readonly prune: boolean
  /** Of live git-origin resources without services; `allowedDeletes` gives the number. */
  readonly maxDeletes: MaxDeletes
  /** Six-field or five-field cron; null: the server's default. */
  readonly schedule: string | null
  /** Process variables a template may read. */
  readonly env: readonly string[]
}

/** A share, a number, or both: then the smaller counts. */
export type MaxDeletes = { readonly percent: number } | { readonly count: number } | { readonly percent: number; readonly count: number }

export type SecretProvider =
  /** Secret `x` is the process variable `<prefix>X`. */
  | { readonly from: 'env'; readonly prefix: string }
  /** Secret `x` is the file `<directory>/x`. */
  | { readonly from: 'files'; readonly directory: string }

export interface EnvironmentInputs {
  /** Directories below this one, the most basic first; relative to the file. */
  readonly extends: readonly string[]
  readonly services: string
  readonly vars: Readonly<Record<string, string | number | boolean>>
  readonly env: readonly string[]
  readonly secrets: readonly SecretProvider[]
  /** Files that hold ciphertext: never loaded as resources, whatever else is wrong. Relative to the file. */
  readonly sopsFiles: readonly string[]
  /** Must equal the ref the server follows; null: no wish. */
  readonly ref: string | null
}

export interface ReadEnvironment {
  readonly settings: EnvironmentSettings
  readonly inputs: EnvironmentInputs
  readonly findings: readonly Finding[]
}

/**
 * Reads a parsed environment.yaml. Never throws; a field with a finding counts as absent.
 * @param command decides defaults: `dev` has no probation and no limit of deletes
 */
export function readEnvironment(declared: JsonObject, command: 'serve' | 'dev' = 'serve'): ReadEnvironment {
  const read = readDeclared(declared)
  const findings = [...read.findings]
  // checked against the schema its type is generated from; what did not fit was taken out
  const document = read.document as Partial<EnvironmentYaml>
  const sync = document.sync ?? {}
  const probationMs = readProbation(sync.probation, findings) ?? (command === 'dev' ? 0 : 30_000)
  const auto = sync.auto ?? true
  const env = document.env ?? []
  return {
    settings: {
      environment: document.environment ?? '',
      mode: document.mode ?? 'git',
      requireSecurity: document.requireSecurity ?? true,
      preflight: sync.preflight ?? (!auto || probationMs > 0 ? 'require' : 'warn'),
      probationMs,
      auto,
      prune: sync.prune ?? true,
      maxDeletes: maxDeletesOf(sync.maxDeletes) ?? { percent: command === 'dev' ? 100 : 10 },
      schedule: readSchedule(sync.schedule, findings),
      env,
    },
    inputs: {
      extends: document.extends ?? [],
      services: document.services ?? '../../services',
      vars: document.vars ?? {},
      env,
      secrets: (document.secrets ?? []).flatMap(providerOf),
      sopsFiles: sopsFilesOf(declared),
      ref: sync.ref ?? null,
    },
    findings,
  }
}

const readDeclared = createReader(schema)

/** How many resources a plan may delete where `live` of them count. */
export function allowedDeletes(maxDeletes: MaxDeletes, live: number): number {
  const share = 'percent' in maxDeletes ? Math.max(1, Math.ceil((live * maxDeletes.percent) / 100)) : Number.POSITIVE_INFINITY
  return Math.min(share, 'count' in maxDeletes ? maxDeletes.count : Number.POSITIVE_INFINITY)
}

/** `10%` or a number, as the schema has checked it. */
export function maxDeletesOf(declared: string | number | undefined): MaxDeletes | undefined {
  if (declared === undefined) return undefined
  return typeof declared === 'number' ? { count: declared } : { percent: Number(declared.slice(0, -1)) }
}

// A longer one is a mistake of units: what is not trusted after a day is not trusted.
const longestProbationMs = 86_400_000

function readProbation(declared: string | undefined, findings: Finding[]): number | undefined {
  if (declared === undefined) return undefined
  const ms = durationMs(declared)
  if (ms !== undefined && ms <= longestProbationMs) return ms
  const message = 'Cannot use the value of "sync.probation" as it is too long: accepted is 0s to 24h'
  findings.push({ code: 'INVALID_VALUE', message, pointer: '/sync/probation' })
  return undefined
}

function readSchedule(declared: string | undefined, findings: Finding[]): string | null {
  if (declared === undefined) return null
  if (isLastingCron(declared)) return declared
  const message =
    'Cannot use the value of "sync.schedule" as it is no cron expression that ever fires: accepted are five or six fields, such as "*/2 * * * *"'
  findings.push({ code: 'INVALID_VALUE', message, pointer: '/sync/schedule' })
  return null
}

function providerOf(declared: NonNullable<EnvironmentYaml['secrets']>[number]): SecretProvider[] {
  if (declared.env !== undefined) return [{ from: 'env', prefix: declared.env }]
  return declared.files === undefined ? [] : [{ from: 'files', directory: declared.files }]
}

/** From the file as declared: a file of ciphertext stays one where its declaration has another fault. */
function sopsFilesOf(declared: JsonObject): string[] {
  const providers: unknown = declared.secrets
  if (!Array.isArray(providers)) return []
  return providers.map(provider => provider?.sops).filter(file => typeof file === 'string')
}
