// What a user sees when something that Kindred needs is down, wrong or forbidden: lookups go on, /readyz and the log say
// what to do, and once it is mended everything is consumed and every change delivered once, without a restart.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { freePort } from '../../scripts/kafka-local/free-ports.ts'
import { type LocalKafka, startKafka } from '../../scripts/kafka-local/kafka.ts'
import { withDirectory } from '../support/command.ts'
import { skipKafka } from '../support/kafka.ts'
import {
  assertExact,
  makeTopics,
  order,
  type Place,
  servePlace,
  shopMessages,
  shopPosts,
  stopWell,
  untilMended,
  untilNotReady,
  warnings,
  withPlace,
} from '../support/kafka-shop.ts'
import type { Server } from '../support/server.ts'

const stopSecondsMax = 10
/** Warnings that one thing that is down may cost. */
const warningsMax = 8

/** Lookups are answered whatever is down. */
async function assertAnswers({ lookUp }: Server): Promise<void> {
  const { status } = await lookUp('nobody')
  assert.equal(status, 404)
}

async function assertPosts({ post }: Server, from: number, to: number): Promise<void> {
  const { status } = await post(shopPosts(from, to))
  assert.equal(status, 202)
}

describe('a broker that is down', { skip: skipKafka }, () => {
  it('is waited for, at the start and later, and by an end', () =>
    withDirectory(async (dir) => {
      const port = await freePort()
      await withPlace('broker', { brokers: [`127.0.0.1:${port}`] }, async (place) => {
        const server = await servePlace(place)
        await untilNotReady(server, /no broker answers/)
        await assertAnswers(server)
        await assertPosts(server, 0, 100)
        await using kafka = await startKafka({ dir, port })
        await makeTopics(place)
        await order(place, shopMessages(100, 800))
        await untilMended(place, server)
        await breakAndMend(place, { server, kafka, by: 'stop', from: 800 })
        await breakAndMend(place, { server, kafka, by: 'kill', from: 1400 })
        assert.ok(warnings(server).length <= 3 * warningsMax, warnings(server).join('\n'))
        await stopWhileDown(place, server, kafka)
        await assertExact(place)
      })
    }))
})

/** The broker ends and comes back; lookups and events over HTTP go on meanwhile. */
async function breakAndMend(
  place: Place,
  { server, kafka, by, from }: { server: Server; kafka: LocalKafka; by: 'stop' | 'kill'; from: number },
): Promise<void> {
  await order(place, shopMessages(from, from + 400))
  await kafka[by]()
  await untilNotReady(server, /no broker answers/)
  await assertAnswers(server)
  await assertPosts(server, from + 400, from + 500)
  await kafka.restart()
  await order(place, shopMessages(from + 500, from + 600))
  await untilMended(place, server)
}

/** An end while the broker is down is quick; the next process sends what was left. */
async function stopWhileDown(place: Place, server: Server, kafka: LocalKafka): Promise<void> {
  await order(place, shopMessages(2000, 2400))
  await kafka.kill()
  await assertPosts(server, 2400, 2600)
  const started = performance.now()
  await stopWell(server)
  const seconds = (performance.now() - started) / 1000
  assert.ok(seconds < stopSecondsMax, `the end took ${seconds} s`)
  await kafka.restart()
  const next = await servePlace(place)
  await untilMended(place, next)
  await stopWell(next)
}
