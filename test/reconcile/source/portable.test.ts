import assert from 'node:assert/strict'
import { test } from 'vitest'
import { nameFaults } from '../../../reconcile/source/portable.ts'

const held = new Set(['services/orders.ts', 'services/Client/get.ts', 'services/aux.ts', 'environments/dev/a.yaml'])

for (const [what, path, why] of [
  ['a new file', 'services/new.ts', null],
  ['a file that is there', 'services/orders.ts', null],
  ['a name that Windows cannot hold and that is there already', 'services/aux.ts', null],
  ['a name in form NFC', 'services/Zo\u00eb.ts', null],
  ['a name in form NFD', 'services/Zoe\u0308.ts', /NFC/],
  ['a backslash', 'services\\new.ts', /backslash/],
  ['a drive', 'C:\\estate\\services\\new.ts', /backslash/],
  ['an absolute path', '/etc/passwd', /absolute/],
  ['a step up', 'services/../../etc/passwd', /"\.\."/],
  ['a step that stays', 'services/./new.ts', /"\."/],
  ['a spelling of .git', 'services/.GIT/config', /\.git/],
  ['no name', '', /empty/],
  ['another case of a file', 'services/Orders.ts', /"services\/orders\.ts" only by case/],
  ['another case of a folder', 'services/client/list.ts', /"services\/Client" only by case/],
  ['a file in place of a folder', 'services/Client', /folder there/],
  ['a folder in place of a file', 'services/orders.ts/new.ts', /"services\/orders\.ts" is a file/],
  ['a colon', 'services/a:b.ts', /character :/],
  ['a question mark', 'services/what?.ts', /character \?/],
  ['a star', 'services/*.ts', /character \*/],
  ['an angle bracket', 'services/<a>.ts', /character </],
  ['a bar', 'services/a|b.ts', /character \|/],
  ['a quote', 'services/"a".ts', /character "/],
  ['a dot at its end', 'services/new.', /dot or a space/],
  ['a space at its end', 'services/new /a.ts', /dot or a space/],
  ['the name of a device', 'services/con', /device/],
  ['the name of a device with an ending', 'services/Nul.ts', /device/],
  ['the name of a port', 'services/com1/a.ts', /device/],
  ['a name that only begins like a device', 'services/console.ts', null],
] as const)
  test(`nameFaults() ${why === null ? 'accepts' : 'refuses'} ${what}`, () => {
    const [fault] = nameFaults([path], held)
    if (why === null) assert.equal(fault, undefined)
    else assert.match(fault?.why ?? 'accepted', why)
  })

test('nameFaults() finds two new files that differ only by case, and names the other', () => {
  assert.deepEqual(nameFaults(['services/a.ts', 'services/A.ts'], held), [
    { path: 'services/A.ts', why: 'it differs from "services/a.ts" only by case' },
  ])
})

test('nameFaults() lets a file take another case once the one that it was goes', () => {
  assert.deepEqual(nameFaults(['services/Orders.ts'], new Set([...held].filter(path => path !== 'services/orders.ts'))), [])
})
