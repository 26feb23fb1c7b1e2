// Entry of the control process, and the composition root: everything that lies above the engine is put together here.
// Run as: node control-main.ts '<ControlConfig as JSON>' with the admin port's socket as 3 and the lifeline as 4.

import process from 'node:process'
import { startControl } from './control.ts'
import type { ControlConfig } from './serve-options.ts'

process.title = 'plumb control'
const config = JSON.parse(process.argv[2] ?? '') as ControlConfig // written by the binder
const control = await startControl(config)

let ending = false
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    if (ending) process.exit(0)
    ending = true
    void control.close().then(() => process.exit(0))
  })
