// From the save of a file in the editor to the first answer that shows it, under `plumb dev` on a copy of the sample estate.
// What follows quickly on another save is measured by itself, as the first of the two may still be settling.

import { setTimeout as sleep } from 'node:timers/promises'
import { copySampleEstate, type Estate } from '../test/e2e/estate.ts'
import { startServer } from '../test/e2e/server.ts'
import { firstAnswer, type Probe, type Seen } from './poll.ts'
import type { Rest } from './rest.ts'
import { type BenchRow, rowOf } from './row.ts'

const turns = 15
const warmUps = 4
/** Longer than anything that follows a swap takes: nobody saves again within it. */
const pauseMs = 700

const service = 'services/client/get-client.ts'
const channels = 'environments/dev/channels.yaml'

export async function run(rest: Rest): Promise<readonly BenchRow[]> {
  await using estate = await copySampleEstate()
  await using server = await startServer({ command: 'dev', source: estate.directory })
  await server.until(({ live, workers }) => live.serial > 0 && workers.every(({ generation }) => generation === live.generation))
  const probe: Probe = { origin: server.channels, path: '/api/v1/client', method: 'POST', body: '{"client_id":123}' }
  await firstAnswer(probe, shows('"Jane Doe"'))
  const original = { service: await estate.read(service), channels: await estate.read(channels) }
  const saves = savesOf(estate, original)

  const measured = { service: [] as number[], channel: [] as number[], second: [] as number[] }
  for (let turn = -warmUps; turn < turns; turn++) {
    await rest(pauseMs)
    const ofService = await timed(() => saves.service(turn), probe, shows(`"Jane ${turn}"`))
    await rest(pauseMs)
    const ofChannel = await timed(
      () => saves.channel(turn),
      probe,
      ({ contentType }) => contentType.endsWith(`turn=${turn}`),
    )
    await rest(pauseMs)
    await timed(() => saves.service(1_000 + turn), probe, shows(`"Jane ${1_000 + turn}"`))
    const ofSecond = await timed(() => saves.service(2_000 + turn), probe, shows(`"Jane ${2_000 + turn}"`))
    if (turn < 0) continue
    measured.service.push(ofService)
    measured.channel.push(ofChannel)
    measured.second.push(ofSecond)
  }
  return [
    rowOf('save → live of one service', measured.service, { goal: 300 }),
    rowOf('save → live of one channel', measured.channel, { goal: 200 }),
    rowOf('save → live of a service saved again at once', measured.second, { goal: 300 }),
  ]
}

function savesOf(estate: Estate, original: { readonly service: string; readonly channels: string }) {
  if (!original.service.includes("name: 'Jane Doe'")) throw new Error(`${service} answers "Jane Doe"`)
  return {
    service: (turn: number) => estate.save(service, original.service.replace("name: 'Jane Doe'", `name: 'Jane ${turn}'`)),
    channel: (turn: number) =>
      estate.save(
        channels,
        original.channels.replace('- name: client\n', `- name: client\n    content_type: application/json; turn=${turn}\n`),
      ),
  }
}

function shows(text: string): (seen: Seen) => boolean {
  return ({ status, body }) => status === 200 && body.includes(text)
}

async function timed(save: () => Promise<void>, probe: Probe, isShown: (seen: Seen) => boolean): Promise<number> {
  const shown = firstAnswer(probe, isShown)
  // The connection is open before the clock runs.
  await sleep(20)
  const startedAt = performance.now()
  await save()
  return (await shown) - startedAt
}
