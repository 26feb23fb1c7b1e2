import assert from 'node:assert/strict'
import { test } from 'vitest'
import { everything, leadsOf } from '../../../reconcile/source/leads.ts'

const dev = 'environments/dev/environment.yaml'
const service = 'services/client/get.ts'

for (const [what, path, text, expected] of [
  ['nothing', dev, 'environment: dev\n', []],
  ['a layer beside it', dev, 'extends: [../base]\n', []],
  ['the folder of services', dev, 'services: ../../services\n', ['services']],
  ['a folder of services elsewhere', dev, 'services: ../../code/services\n', ['code']],
  ['an include in a list', dev, 'include:\n  - ../../shared/x.yaml # why\n', ['shared']],
  ['an include at the root', dev, 'include: [../../x.yaml]\n', ['x.yaml']],
  ['two includes in one line', dev, 'include: [../../a/x.yaml, "../../b/x.yaml"]', ['a', 'b']],
  ['an include with spaces', dev, "include:\r\n  - '../../my files/x.yaml'\r\n", ['my files']],
  ['a detour', dev, 'include: [other/../../../shared/x.yaml]', ['shared']],
  ['any folder', dev, 'include: [../../*/x.yaml]', [everything]],
  ['any file of a folder', dev, 'include: [../../shared/**/*.yaml]', ['shared']],
  ['the root itself', dev, 'services: ../..\n', [everything]],
  ['out of the estate', dev, 'include: [../../../x.yaml]', []],
  ['an escaped dot', dev, 'include: ["\\x2e\\x2e/../shared/x.yaml"]', [everything]],
  ['an escaped slash', dev, 'include: ["..\\/../shared/x.yaml"]', [everything]],
  ['an import', service, "import { hi } from '../../lib/hi.ts'", ['lib']],
  ['an import at home', service, "import { hi } from '../hi.ts'", []],
  ['an import for its effect', service, "import'../../lib/hi.ts'", ['lib']],
  ['an import in a call', service, 'const { hi } = await import(\n  `../../lib/hi.ts`)', ['lib']],
  ['an import of types', service, 'type Hi = import("../../lib/hi.ts").Hi', ['lib']],
  ['an export', service, "export * from '../../lib/hi.ts'", ['lib']],
  ['an import after comments', service, "import x from /* of */ // old\n '../../lib/hi.ts'", ['lib']],
  ['an import after an apostrophe', service, "// it isn't\nimport '../../lib/hi.ts'", ['lib']],
  ['a text that climbs', service, "if (path.includes('../../')) throw new Error('../../lib')", []],
  ['what spreads', service, 'call(...rest)', []],
  ['a page beside it', 'services/README.md', '[docs](../docs/index.md)', []],
] as const)
  test(`leadsOf() of ${what}`, () => assert.deepEqual(leadsOf(path, Buffer.from(text)), expected))
