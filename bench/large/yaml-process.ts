// The yaml library alone, in a process of its own, as a compilation has it. Run as: node yaml-process.ts <number of files>; prints milliseconds.

import { parse } from 'yaml'
import { fileText } from '../estate/large.ts'

const texts = Array.from({ length: Number(process.argv[2]) }, (_, file) => fileText(file, 0))
const startedAt = performance.now()
for (const text of texts) parse(text)
console.log(performance.now() - startedAt)
