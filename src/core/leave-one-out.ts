// A product's vector as a prototype sees it: without the prototype's own label in it. Calibration and evaluation read it.
import type { ShareList } from './prototype.ts'
import { exactVector } from './vector.ts'

/** b(p) of M(p) − w and B(p) − w·l into `out`, fractions of one. */
export function leaveOneOutVector(
  { mass, b, weight, shares }: { mass: number; b: Float64Array; weight: number; shares: ShareList },
  { kappa, prior }: { kappa: number; prior: Float64Array },
  out: Float64Array,
): void {
  const rest = b.slice()
  for (const { persona, share } of shares) rest[persona]! -= weight * share
  exactVector({ mass: mass - weight, b: rest, offset: 0 }, { kappa, prior, delta: 0 }, out)
}
