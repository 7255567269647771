// Settings for property tests: mostly the defaults, else whatever may be configured and makes a difference in a small shop.
import fc from 'fast-check'
import type { Config } from '../../src/config.ts'
import { leastDelta } from '../../src/core/vector.ts'

const others: fc.Arbitrary<Partial<Config>> = fc.record({
  kappa: fc.constantFrom(1, 300, 3000, 20_000),
  delta: fc.constantFrom(leastDelta(20_000), 0.001, 0.02, 0.1, 0.5),
  weightsRepeat: fc.constantFrom('once' as const, 'sum' as const),
  personasHeldMax: fc.integer({ min: 1, max: 4 }),
  enterFloor: fc.constantFrom(0, 0.05, 0.08, 0.3),
  exitMargin: fc.constantFrom(0, 0.02, 0.1),
  landingMassMin: fc.constantFrom(0, 0.01, 0.05, 0.3),
})

export const settingsArbitrary: fc.Arbitrary<Partial<Config>> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: others },
)
