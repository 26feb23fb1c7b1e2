import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'vitest'
import { Graph } from '../../../reconcile/compile/graph.ts'
import { parseRef, type Ref } from '../../../schema/ref.ts'

/** `{ a: 'bc' }`: a refers to b and c. */
function graphOf(edges: Readonly<Record<string, string>>): Graph {
  return new Graph(new Map(Object.entries(edges).map(([name, targets]) => [ref(name), { refs: [...targets].map(ref) }])))
}

const ref = (name: string): Ref => parseRef(`k/${name}`)
const names = (refs: readonly Ref[] | undefined): string => (refs ?? []).map(found => found.slice(2)).join('')

test('order() puts everything after what it refers to, by name where there is a choice', () => {
  assert.equal(names(graphOf({ a: 'c', b: '', c: 'b', d: '' }).order()), 'bcad')
})

test('order() passes over what is not there', () => {
  assert.equal(names(graphOf({ a: 'x' }).order()), 'a')
})

test('cycles() finds each group once, and a ref to itself', () => {
  assert.deepEqual(graphOf({ a: 'b', b: 'c', c: 'a', d: 'a', e: 'e', f: '' }).cycles().map(names), ['abc', 'e'])
})

test('wayRound() gives the shortest way back', () => {
  assert.equal(names(graphOf({ a: 'b', b: 'cd', c: 'd', d: 'a' }).wayRound(ref('a'))), 'abda')
  assert.equal(names(graphOf({ a: 'a' }).wayRound(ref('a'))), 'aa')
  assert.equal(graphOf({ a: 'b', b: '' }).wayRound(ref('a')), undefined)
})

test('behind() gives all that reach a ref, nearest first', () => {
  const graph = graphOf({ sql: '', service: 'sq', channel: '', q: 'l', l: '' })
  assert.equal(names(graph.behind(ref('l'))), 'qservice')
  assert.equal(names(graph.behind(ref('channel'))), '')
})

test('order() of a long chain does not exhaust the stack', () => {
  const nodes = new Map<Ref, { refs: Ref[] }>()
  for (let index = 0; index < 50_000; index++) nodes.set(ref(`n${index}`), { refs: [ref(`n${index + 1}`)] })
  assert.equal(new Graph(nodes).order()[0], ref('n49999'))
})

test('order() is a topological order of every graph without cycles, and behind() the reverse closure', () => {
  const edges = fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 40 })
  fc.assert(
    fc.property(edges, pairs => {
      const nodes = new Map(Array.from({ length: 12 }, (_, index) => [ref(`n${index}`), { refs: [] as Ref[] }]))
      // Only edges from a higher to a lower number: no cycle can come about.
      for (const [one, other] of pairs)
        if (one !== other) nodes.get(ref(`n${Math.max(one, other)}`))?.refs.push(ref(`n${Math.min(one, other)}`))
      const graph = new Graph(nodes)
      const place = new Map(graph.order().map((found, index) => [found, index]))
      assert.equal(place.size, 12)
      for (const [from, { refs }] of nodes) for (const to of refs) assert.ok((place.get(to) ?? 0) < (place.get(from) ?? 0))
      assert.deepEqual(graph.cycles(), [])
      const behind = new Set(graph.behind(ref('n0')))
      for (const [from, { refs }] of nodes) if (refs.some(to => to === ref('n0') || behind.has(to))) assert.ok(behind.has(from))
    }),
  )
})
