// Rendering of one environment: with its variables, secrets and rules, and remembering what it made of the same items before.

import { createSecretKey } from 'node:crypto'
import type { Settings } from '../../engine/generation/manifest.ts'
import { digestOf, keyedDigestOf } from '../../schema/digest.ts'
import { isObject, type Json } from '../../schema/json.ts'
import type { Vocabulary } from '../../schema/vocabulary.ts'
import type { Environment } from './environment-chain.ts'
import type { Item } from './items.ts'
import type { Memo } from './memo.ts'
import { type RenderContext, type Rendered, renderResource } from './render.ts'
import type { SecretSource } from './secrets.ts'
import type { TemplateInputs } from './template.ts'

export interface RendererOptions {
  readonly vocabulary: Vocabulary
  /** Settings that judge: those of the live revision made stricter by the server's floors. Null: the revision's own file judges. */
  readonly policy: Settings | null
  /** Process variables; only those that `env` of environment.yaml lists are read. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Variables that stand over those of environment.yaml. Default: none. */
  readonly vars?: Readonly<Record<string, string | number | boolean>>
  /** What one of them is that is not set: missing, or known to another machine only. Default: missing. */
  readonly unsetEnv?: 'missing' | 'unknown'
  /** Null where no key is at hand: secret digests are null. */
  readonly keys: { readonly digestKey: Uint8Array } | null
  readonly documents: { readonly memo: Memo }
}

export interface Renderer {
  /** Stands for all that rendering depends on besides items and secrets. */
  readonly inputs: string
  /** Remembered by the items of the chain. */
  readonly render: (chain: readonly Item[]) => Rendered
  /** Whether the secrets it was rendered with are still those. */
  readonly isCurrent: (rendered: Rendered) => boolean
}

export function rendererFor(environment: Environment, secrets: SecretSource, options: RendererOptions): Renderer {
  const { env } = environment.inputs
  const { vars, texts } = withVars(environment, options.vars)
  const readable = Object.fromEntries(env.map(name => [name, options.env[name]]))
  const context: RenderContext = {
    vocabulary: options.vocabulary,
    templates: {
      vars,
      texts,
      secret: name => secrets.get(name),
      describeSecret: name => secrets.describe(name),
      env: readable,
      allowedEnv: new Set(env),
      unsetEnv: options.unsetEnv ?? 'missing',
    },
    requireSecurity: options.policy?.requireSecurity ?? requiresSecurity(environment),
    digestKey: options.keys ? createSecretKey(options.keys.digestKey) : null,
  }
  const inputs = inputsDigest(context, secrets)
  const isCurrent = ({ asked }: Rendered): boolean => {
    if (asked.size === 0) return true
    for (const [name, before] of asked) if (secrets.get(name)?.reveal() !== before?.reveal()) return false
    return true
  }
  const { memo } = options.documents
  return { inputs, isCurrent, render: chain => memo.renderedOf(chain, inputs, isCurrent, () => renderResource(chain, context)) }
}

function withVars({ inputs, texts }: Environment, over: RendererOptions['vars'] = {}): Pick<TemplateInputs, 'vars' | 'texts'> {
  const written = Object.fromEntries(Object.entries(over).map(([name, value]) => [name, String(value)]))
  return { vars: { ...inputs.vars, ...over }, texts: { ...texts, ...written } }
}

/** False where the file gives it a value that is refused: that is the one thing to tell, and nothing is judged by a guess. */
function requiresSecurity({ document, settings }: Environment): boolean {
  const declared = isObject(document.value) ? (document.value.requireSecurity ?? true) : true
  return settings.requireSecurity && declared === true
}

/** Stands for everything rendering depends on besides items and secret values. */
function inputsDigest({ templates, requireSecurity, digestKey }: RenderContext, secrets: SecretSource): string {
  const env = Object.entries(templates.env).map(([name, value]): Json => [name, value ?? null])
  const key = digestKey ? keyedDigestOf(digestKey, 'inputs') : null
  const { vars, texts = {}, unsetEnv = 'missing' } = templates
  return digestOf([vars, texts, env, unsetEnv, requireSecurity, key, [...secrets.describe('name')], [...secrets.unreadable]])
}
