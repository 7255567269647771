// `topics create` and `topics check`: what is lacking is made as it must be, and what is otherwise is said.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { freePort } from '../../scripts/kafka-local/free-ports.ts'
import { json, run, type Settings } from '../support/command.ts'
import { sharedKafka, skipKafka } from '../support/kafka.ts'
import { createTopic, setTopic, withAdmin } from '../support/kafka-topics.ts'

type Created = { readonly created: readonly string[]; readonly present: readonly string[] }
type Checked = {
  readonly checks: readonly { readonly name: string; readonly status: string; readonly detail: string }[]
}

describe('topics on Kafka', { skip: skipKafka }, () => {
  const kafka = sharedKafka()
  const env = (): Settings => ({
    KINDRED_KAFKA_BROKERS: kafka().brokers.join(),
    KINDRED_KAFKA_TOPICS: 'orders,returns',
  })
  const check = async () => {
    const { code, stdout, stderr } = await run(['topics', 'check', '--json'], { env: env() })
    assert.notEqual(stdout, '', stderr)
    return { code, checks: (JSON.parse(stdout) as Checked).checks }
  }

  it('are made where they are lacking, with as many partitions as they come from, and once', async () => {
    await createTopic(kafka().brokers, 'orders', {
      partitions: 3,
      config: { 'max.message.bytes': '2000000' },
    })
    const args = ['topics', 'create', '--partitions', '5']
    const made = await json<Created>(args, { env: env() })
    assert.deepEqual([...made.created].sort(), [
      'orders.dlq',
      'persona-changes',
      'personas',
      'returns',
      'returns.dlq',
    ])
    assert.deepEqual(made.present, ['orders'])
    const partitions = await withAdmin(kafka().brokers, async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [...made.created] })
      return Object.fromEntries(topics.map((topic) => [topic.name, topic.partitions.length]))
    })
    assert.deepEqual(partitions, {
      'orders.dlq': 3,
      'persona-changes': 5,
      personas: 5,
      returns: 5,
      'returns.dlq': 5,
    })
    assert.deepEqual((await json<Created>(args, { env: env() })).created, [])
    const { code, checks } = await check()
    assert.equal(code, 0)
    assert.ok(
      checks.every(({ status }) => status === 'ok'),
      JSON.stringify(checks),
    )
  })

  it('are compared with what they must be', async () => {
    await setTopic(kafka().brokers, 'personas', { 'cleanup.policy': 'delete' })
    await setTopic(kafka().brokers, 'persona-changes', { 'cleanup.policy': 'compact' })
    await setTopic(kafka().brokers, 'orders.dlq', { 'max.message.bytes': '1000' })
    const { code, checks } = await check()
    assert.equal(code, 1)
    const said = (name: string) => checks.find((one) => one.name === name)!
    assert.equal(said('personas').status, 'fail')
    assert.match(said('personas').detail, /cleanup\.policy=compact/)
    assert.equal(said('persona-changes').status, 'fail')
    assert.equal(said('orders.dlq').status, 'warn')
    assert.equal(said('orders').status, 'ok')
  })

  it('are not there, or nobody answers: what to do is said', async () => {
    const lacking = await run(['topics', 'check'], { env: { ...env(), KINDRED_KAFKA_TOPICS: 'nothing' } })
    assert.equal(lacking.code, 1)
    assert.match(lacking.stdout, /fail {2}nothing: is not there.*kindred topics create/)
    const brokers = `127.0.0.1:${await freePort()}`
    const down = await run(['topics', 'check'], { env: { ...env(), KINDRED_KAFKA_BROKERS: brokers } })
    assert.equal(down.code, 1)
    assert.match(down.stderr, /no broker answers/)
    const unset = await run(['topics', 'create'])
    assert.equal(unset.code, 2)
    assert.match(unset.stderr, /KINDRED_KAFKA_BROKERS is not set/)
  })
})
