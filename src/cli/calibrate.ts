// calibrate: fit probabilities to the prototypes now, and decide everybody under the fit.
import type { Command } from 'commander'
import { FatalError } from '../errors.ts'
import { configOf, type DataOptions, reading, withData } from './context.ts'
import { print, printJson } from './output.ts'
import { submit } from './submit.ts'

export function addCalibrate(program: Command): void {
  withData(program.command('calibrate'))
    .description(
      'fit probabilities to the prototypes as they are now and decide every user by them (fits are also made as evidence grows)',
    )
    .action(calibrateAction)
}

async function calibrateAction(options: DataOptions): Promise<void> {
  const config = configOf()
  if (config.calibrationMin === 0)
    throw new FatalError('calibration is off (KINDRED_CALIBRATION_MIN is 0): answers are by q')
  const place = { dir: options.data, config, role: 'calibrate' }
  const epochs = await reading(options, (store) => store.counters().epochs)
  const { by } = await submit(place, { kind: 'calibrate' })
  const epoch = await reading(options, (store) => store.epoch(store.counters().epoch))
  if (epoch === undefined || epoch.epoch <= epochs)
    throw new FatalError(
      `nothing was fitted: fewer than ${config.calibrationMin} prototypes have bought something; label more users, or lower KINDRED_CALIBRATION_MIN in a new directory`,
    )
  const { prototypes, edges, evidence, exit, calibration } = epoch
  const report = {
    epoch: epoch.epoch,
    prototypes,
    edges,
    evidence,
    enter: calibration.enter,
    exit,
    landing_per_purchase: epoch.landingPerPurchase,
    applied_by: by,
  }
  if (options.json) printJson(report)
  else
    print(
      `epoch ${epoch.epoch}: fitted to ${prototypes} prototypes with ${edges} products; reads ${evidence === 'both' ? 'walk and words' : 'the walk'}; a persona is held from ${calibration.enter.toFixed(2)} and left below ${exit.toFixed(2)}\n`,
    )
}
