import assert from 'node:assert/strict'
import { test } from 'vitest'
import { fillTemplates, type TemplateInputs } from '../../../reconcile/compile/template.ts'
import type { Json } from '../../../schema/json.ts'
import { Secret } from '../../../schema/secret.ts'

const inputs: TemplateInputs = {
  vars: { host: 'h.example.com', port: 8080, on: true, sneaky: '${{ secrets.crm }}', 'a.b': 'dotted' },
  secret: name => (name === 'crm' ? new Secret('hunter2') : undefined),
  describeSecret: name => [`the file /run/${name}`],
  env: { REGION: 'eu', PORT: '9', ON: 'yes', PASSWORD: '1' },
  allowedEnv: new Set(['REGION', 'PORT', 'ON', 'PASSWORD', 'UNSET']),
}

const fill = (value: Json, type?: string) => fillTemplates(value, inputs, () => type)

for (const [what, text, type, expected] of [
  ['a variable', '${{ vars.host }}', 'string', 'h.example.com'],
  ['without white space', '${{vars.host}}', 'string', 'h.example.com'],
  ['inside a text, twice', 'https://${{ vars.host }}:${{ vars.port }}/', 'string', 'https://h.example.com:8080/'],
  ['a number as a whole', '${{ vars.port }}', 'integer', 8080],
  ['a number where text is wanted', '${{ vars.port }}', 'string', '8080'],
  ['a boolean as a whole', '${{ vars.on }}', 'boolean', true],
  ['a name with a dot', '${{ vars.a.b }}', 'string', 'dotted'],
  ['a process variable as a number', '${{ env.PORT }}', 'integer', 9],
  ['a process variable as a boolean', '${{ env.ON }}', 'boolean', true],
  ['a process variable as the text it is', '${{ env.PASSWORD }}', 'string', '1'],
  ['no conversion where nothing is wanted', '${{ env.PORT }}', undefined, '9'],
  ['a default', "${{ vars.none || 'd' }}", 'string', 'd'],
  ['a default with a quote', "${{ vars.none || 'it''s' }}", 'string', "it's"],
  ['a default that is not needed', "${{ vars.host || 'd' }}", 'string', 'h.example.com'],
  ['a second variable as default', '${{ vars.none || vars.host }}', 'string', 'h.example.com'],
  ['a number as default', '${{ vars.none || 5 }}', 'integer', 5],
  ['a default with the closing marks', "${{ vars.none || '}}' }}", 'string', '}}'],
  ['an unset process variable with a default', "${{ env.UNSET || 'd' }}", 'string', 'd'],
  ['a literal', '$${{ vars.host }}', 'string', '${{ vars.host }}'],
  ['one pass only', '${{ vars.sneaky }}', 'string', '${{ secrets.crm }}'],
  ['the spelling of Zato', '${REGION}', 'string', 'eu'],
  ['the other spelling of Zato', 'Zato_Enmasse_Env.REGION', 'string', 'eu'],
  ['no spelling of Zato inside a text', 'a-${REGION}-b', 'string', 'a-${REGION}-b'],
  ['other dollars', '$REGION {{NAME}} $5', 'string', '$REGION {{NAME}} $5'],
] as const)
  test(`fillTemplates() gives ${what}`, () => {
    const { value, problems } = fill({ deep: [{ text }] }, type)
    assert.deepEqual(problems, [])
    assert.deepEqual(value, { deep: [{ text: expected }] })
  })

for (const [what, text, code] of [
  ['an unknown variable', '${{ vars.hots }}', 'MISSING_VARIABLE'],
  ['a property every object has', '${{ vars.toString }}', 'MISSING_VARIABLE'],
  ['an unknown secret', '${{ secrets.db }}', 'MISSING_SECRET'],
  ['an unset process variable', '${{ env.UNSET }}', 'MISSING_ENV'],
  ['an unset variable of Zato', '${UNSET}', 'MISSING_ENV'],
  ['a process variable that is not listed', '${{ env.PATH }}', 'ENV_NOT_ALLOWED'],
  ['one that is not listed, default or not', "${{ env.PATH || 'd' }}", 'ENV_NOT_ALLOWED'],
  ['an expression without an end', 'a ${{ vars.host', 'TEMPLATE_SYNTAX'],
  ['an expression that ends at once', '${{}}', 'TEMPLATE_SYNTAX'],
  ['an unknown scope', '${{ process.env }}', 'TEMPLATE_SYNTAX'],
  ['an operator', '${{ vars.port + 1 }}', 'TEMPLATE_SYNTAX'],
  ['an expression within an expression', '${{ ${{ vars.host }} }}', 'TEMPLATE_SYNTAX'],
] as const)
  test(`fillTemplates() reports ${what}`, () => {
    const { problems } = fill({ text })
    assert.deepEqual(
      problems.map(({ code, path }) => [code, path]),
      [[code, ['text']]],
    )
  })

test('fillTemplates() says where a missing secret is looked for, and which variables there are', () => {
  assert.match(fill('${{ secrets.db }}').problems[0]?.message ?? '', /the file \/run\/db/)
  assert.match(fill('${{ vars.hots }}').problems[0]?.message ?? '', /did you mean "host"\?/)
})

test('fillTemplates() keeps a secret out of the value, through concatenation', () => {
  const { value, leaves } = fill({ header: 'Bearer ${{ secrets.crm }}@${{ vars.host }}-${{env.REGION}}' }, 'string')
  assert.deepEqual(value, { header: 'Bearer ${{ secrets.crm }}@h.example.com-${{ env.REGION }}' })
  assert.equal(leaves[0]?.secret?.reveal(), 'Bearer hunter2@h.example.com-eu')
  assert.equal(leaves[0]?.isTainted, true)
  assert.deepEqual(leaves[0]?.variables, ['secrets.crm', 'vars.host', 'env.REGION'])
})

test('fillTemplates() takes the default of a secret for a secret', () => {
  const { value, leaves } = fill("${{ secrets.none || 'hunter3' }}", 'string')
  assert.equal(value, "${{ secrets.none || '***' }}")
  assert.equal(leaves[0]?.secret?.reveal(), 'hunter3')
})

test('fillTemplates() marks what came from a process variable, and nothing else', () => {
  assert.equal(fill('x ${{ env.REGION }}').leaves[0]?.isTainted, true)
  assert.equal(fill('x ${{ vars.host }}').leaves[0]?.isTainted, false)
})

test('fillTemplates() gives back the same object where there is nothing to fill in', () => {
  const value = { a: ['b', { c: 1 }] }
  assert.equal(fill(value).value, value)
})

for (const [what, text, expected] of [
  ['a secret alone', '${{ secrets.crm }}', false],
  ['a text beside a secret that must be there', 'Bearer ${{ secrets.crm }}', false],
  ['a secret as default', '${{ secrets.none || secrets.crm }}', false],
  ['a process variable as default', '${{ secrets.none || env.REGION }}', false],
  ['an empty text as default', "${{ secrets.none || '' }}", false],
  ['no secret at all', '${{ vars.host }}', false],
  ['a text as default that is used', "${{ secrets.none || 'd' }}", true],
  ['a text as default that is not needed', "${{ secrets.crm || 'd' }}", true],
  ['a text as default of a process variable', "${{ env.REGION || 'd' }}", true],
  ['a text as default of an unset process variable', "${{ env.UNSET || 'd' }}", true],
  ['a text before the secret', "${{ 'd' || secrets.crm }}", true],
  ['a variable as default', '${{ secrets.none || vars.host }}', true],
  ['a variable as default that is not there', '${{ secrets.crm || vars.none }}', false],
  ['a text as last default', "${{ secrets.none || env.UNSET || 'd' }}", true],
  ['a text beside a secret that may be empty', "d${{ secrets.none || '' }}", true],
  ['a text as default beside another secret', "${{ secrets.none || 'd' }}${{ secrets.crm }}", true],
] as const)
  test(`fillTemplates() says that a leaf ${expected ? 'has' : 'has no'} plain default: ${what}`, () => {
    assert.equal(fill(text, 'string').leaves[0]?.hasPlainDefault, expected)
  })

for (const [what, text, expected, isUnknown] of [
  ['as its reference', '${{ env.UNSET }}', '${{ env.UNSET }}', true],
  ['within a text', 'a-${{ env.UNSET }}', 'a-${{ env.UNSET }}', true],
  ['beside a variable that is not there', '${{ vars.none || env.UNSET }}', '${{ vars.none || env.UNSET }}', true],
  ['as its default', '${{ env.UNSET || 5 }}', 5, false],
] as const)
  test(`fillTemplates() gives an unset process variable ${what} where only another machine knows it`, () => {
    const { value, leaves, problems } = fillTemplates(text, { ...inputs, unsetEnv: 'unknown' }, () => 'integer')
    assert.deepEqual(problems, [])
    assert.deepEqual([value, leaves[0]?.isUnknown], [expected, isUnknown])
  })

for (const [what, text, type, expected] of [
  ['in a text', 'v${{ vars.version }}', 'string', 'v1.10'],
  ['where text is wanted', '${{ vars.version }}', 'string', '1.10'],
  ['as a number where one is wanted', '${{ vars.version }}', 'number', 1.1],
] as const)
  test(`fillTemplates() gives a variable as it is written ${what}`, () => {
    const written = { ...inputs, vars: { version: 1.1 }, texts: { version: '1.10' } }
    assert.equal(fillTemplates(text, written, () => type).value, expected)
  })
