// Offsets of the parser as lines and columns of people.

import type ts from 'typescript'
import type { Place } from './facts.ts'

export function placeOf(file: ts.SourceFile, position: number): Place {
  const { line, character } = file.getLineAndCharacterOfPosition(position)
  return { line: line + 1, column: character + 1 }
}
