// The process that holds the TypeScript compiler, its parsed files and its memory: killable when a type never ends, replaceable
// when it runs out of memory. Started by typescript.ts, ends with its channel.

import { flushCompileCache } from 'node:module'
import type { JsonObject } from '../../../schema/json.ts'
import { checkTypes } from './check.ts'
import type { Answer, Asked, Question, QuestionKind, SourceRef, Told } from './child-protocol.ts'
import { emptyFacts, type FileFacts } from './facts.ts'
import { deriveModels } from './models.ts'
import { SourceFiles } from './source-files.ts'
import { readFacts } from './syntax.ts'

const sources = new SourceFiles()
const parent = process.ppid
process.title = 'plumb typescript'
process.on('message', async (asked: Asked) => tell(await answerTo(asked)))
process.on('disconnect', () => process.exit(0))
tell({ kind: 'ready' })
// It may never exit by itself, which is when node would write it.
flushCompileCache()

function tell(told: Told): void {
  // While it works on a question it does not hear that its channel closed.
  if (process.ppid !== parent) process.exit(0)
  process.send?.(told)
}

async function answerTo({ id, kind, question, texts }: Asked): Promise<Told> {
  try {
    const begins = (index: number) => tell({ id, kind: 'begins', index })
    const paths = sources.missing(question.files, texts)
    if (paths.length > 0) return { id, kind: 'needs', paths }
    return { id, kind: 'answer', answer: await answers[kind](question as never, begins) } // `kind` and `question` travel as a pair
  } catch (error) {
    return { id, kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

type Answers = {
  [Kind in QuestionKind]: (question: Question[Kind], begins: (index: number) => void) => Answer[Kind] | Promise<Answer[Kind]>
}

const answers: Answers = {
  facts: ({ files }, begins) =>
    files.map((ref, index) => {
      begins(index)
      return factsOf(ref)
    }),
  models: async (question, begins) => deriveModels(question, { sources, begins, problemOf: await loadJudge() }),
  schemas: async ({ schemas }, begins) => {
    const problemOf = await loadJudge()
    return schemas.map((schema, index) => {
      begins(index)
      return { problem: problemOf(schema) }
    })
  },
  check: question => checkTypes(question, sources),
}

/** Loaded when there is a model to judge: most children are asked for facts alone, and Ajv would be a tenth of their start. */
async function loadJudge(): Promise<(schema: JsonObject) => string | null> {
  const { modelProblem } = await import('../../../schema/model.ts')
  return modelProblem
}

function factsOf(ref: SourceRef): FileFacts {
  try {
    return readFacts(sources.get(ref))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const message = 'Cannot read it as TypeScript as it is nested too deeply; split the expression or type'
    return { ...emptyFacts, flaws: [{ code: 'TYPESCRIPT_SYNTAX', message, line: 1, column: 1 }] }
  }
}
