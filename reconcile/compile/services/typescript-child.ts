// The process that holds the TypeScript compiler, its parsed files and its memory: killable when a type never ends, replaceable
// when it runs out of memory. Started by typescript.ts, ends with its channel.

import { checkTypes } from './check.ts'
import type { Answer, Asked, Question, QuestionKind, Told } from './child-protocol.ts'
import { deriveModels } from './models.ts'
import { SourceFiles } from './source-files.ts'
import { readFacts } from './syntax.ts'

const sources = new SourceFiles()
process.title = 'plumb typescript'
process.on('message', (asked: Asked) => tell(answerTo(asked)))
process.on('disconnect', () => process.exit(0))

function tell(told: Told): void {
  process.send?.(told)
}

function answerTo({ id, kind, question, texts }: Asked): Told {
  try {
    const paths = sources.missing(question.files, texts)
    if (paths.length > 0) return { id, kind: 'needs', paths }
    return { id, kind: 'answer', answer: answers[kind](question as never, id) } // `kind` and `question` travel as a pair
  } catch (error) {
    return { id, kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

const answers: { [Kind in QuestionKind]: (question: Question[Kind], id: number) => Answer[Kind] } = {
  facts: ({ files }) => files.map(ref => readFacts(sources.get(ref))),
  models: (question, id) => deriveModels(question, sources, index => tell({ id, kind: 'begins', index })),
  check: question => checkTypes(question, sources),
}
