// Configuration: what settings must be together, said by the variable and the rule.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { configFrom, settings, variableOf } from '../src/config.ts'
import { leastDelta } from '../src/core/vector.ts'
import { UsageError } from '../src/errors.ts'

/** Settings that are any text: what uses them says what is wrong with it. */
const texts = new Set(
  `host kafkaBrokers kafkaTopics kafkaGroup kafkaMapping kafkaSchemaFile kafkaRegistry kafkaRegistryUser
  kafkaRegistryPassword kafkaChangesTopic kafkaPersonasTopic kafkaDeadLetterSuffix kafkaTlsCa kafkaTlsCert kafkaTlsKey
  kafkaUser kafkaPassword kafkaOauthUrl kafkaOauthClient kafkaOauthSecret kafkaOauthScope
  openaiApiKey labelModel openrtbMapping`.split(/\s+/),
)

describe('the configuration', () => {
  it('takes every setting from its variable, and refuses what is none', () => {
    assert.equal(configFrom({}).delta, 0.02)
    assert.equal(configFrom({ KINDRED_DELTA: '0.1' }).delta, 0.1)
    assert.equal(configFrom({ KINDRED_DELTA: '0.1' }, { delta: 0.2 }).delta, 0.2)
    assert.throws(() => configFrom({ KINDRED_DELTAS: '1' }), /^UsageError: KINDRED_DELTAS is not a setting/)
    for (const name of Object.keys(settings)) {
      if (texts.has(name)) continue
      const variable = variableOf(name)
      assert.throws(() => configFrom({ [variable]: 'no value' }), new RegExp(`^UsageError: ${variable}: `))
    }
  })

  it('refuses a delta that rounded vectors cannot keep, and says the least', () => {
    for (const [kappa, delta] of [
      [3000, 0],
      [3000, 0.0000839],
      [1, 7e-6],
      [1_000_000, 0.02],
    ] as const) {
      const least = leastDelta(kappa)
      const env = { KINDRED_KAPPA: String(kappa), KINDRED_DELTA: String(delta) }
      assert.throws(
        () => configFrom(env),
        (error) =>
          error instanceof UsageError &&
          error.message.startsWith(`KINDRED_DELTA: ${delta} is less than ${least},`),
      )
      assert.equal(configFrom({ ...env, KINDRED_DELTA: String(least) }).delta, least, 'the least is allowed')
    }
    assert.equal(leastDelta(3000), 0.000084)
    assert.match(settings.delta.description ?? '', /at least/)
  })
})
