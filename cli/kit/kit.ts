// `plumb-server/test`: an application of the real estate, for tests of its services. What it offers is in test-api.ts.

import { startApp } from './app.ts'
import type { createApp as Declared } from './test-api.ts'

export type * from './test-api.ts'

export const createApp: typeof Declared = (options = {}) => startApp(options)
