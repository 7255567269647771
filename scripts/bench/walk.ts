// Walk: what one walk costs in memory, by the user's degree: walked anew, repaired, and sampled.
import type { Rng } from '../../src/core/rng.ts'
import { rngFor } from '../../src/core/rng.ts'
import { sampleWalks, type WalkEdge, type WalkGraph } from '../../src/core/sampled-walk.ts'
import { addScaled } from '../../src/core/walk.ts'
import { type BenchOptions, type BenchResult, hashOfLines } from './shared.ts'

const degrees = [10, 100, 1000] as const
const personas = 16
const products = 20_000
const seed = 1
const walksOfSample = 256

/** Published vectors and one user's edges, all whole numbers drawn from the seed. */
type World = { readonly published: Float64Array; readonly edges: Uint32Array }

export async function walkBench({ tiny }: BenchOptions): Promise<BenchResult> {
  const millisecondsMin = tiny ? 5 : 1000
  const lines: string[] = []
  const byDegree = degrees.map((degree) => {
    const world = worldOf(degree)
    const score = { values: new Float64Array(personas), offset: 0 }
    const exact = rate(millisecondsMin, () => walkAnew(world, score))
    lines.push(`exact ${degree} ${score.values.join()}`)
    const repairs = rate(millisecondsMin, () => repairThereAndBack(world, score)) * 2
    lines.push(`repaired ${degree} ${score.values.join()}`)
    const graph = graphOf(world)
    let samples = 0
    const sampled = rate(millisecondsMin, () => void sample(graph, samples++))
    lines.push(`sampled ${degree} ${sample(graph, 0).scores.join()}`)
    return {
      degree,
      exact_walks_per_second: Math.round(exact),
      repairs_per_second: Math.round(repairs),
      sampled_walks_per_second: Math.round(sampled * walksOfSample),
    }
  })
  return { personas, by_degree: byDegree, result_hash: hashOfLines(lines) }
}

function worldOf(degree: number): World {
  const rng = rngFor({ seed, text: 'world', position: degree })
  const published = Float64Array.from({ length: products * personas }, () => rng.below(2 ** 18))
  return { published, edges: Uint32Array.from({ length: degree }, () => rng.below(products)) }
}

const weight = 1000

function walkAnew({ published, edges }: World, score: { values: Float64Array; offset: number }): void {
  score.values.fill(0)
  for (const product of edges)
    addScaled(score, { values: published, offset: product * personas }, { weight, personas })
}

/** One edge gained and lost again: two repairs that leave the score as it was. */
function repairThereAndBack(
  { published, edges }: World,
  score: { values: Float64Array; offset: number },
): void {
  const vector = { values: published, offset: edges[0]! * personas }
  addScaled(score, vector, { weight, personas })
  addScaled(score, vector, { weight: -weight, personas })
}

/** A graph in which every product's buyers are users who bought what user 0 bought. */
function graphOf({ published, edges }: World): WalkGraph {
  const draw = (rng: Rng, bound: number, edge: WalkEdge) => {
    edge.neighbour = rng.below(bound)
    edge.weight = weight
    return true
  }
  return {
    weightMax: weight,
    drawProduct(_user, rng, edge) {
      draw(rng, edges.length, edge)
      edge.neighbour = edges[edge.neighbour]!
      return true
    },
    drawUser: (_product, rng, edge) => draw(rng, 1000, edge),
    publishedOf(product, out) {
      for (let c = 0; c < personas; c++) out[c] = published[product * personas + c]!
    },
  }
}

/** `walksOfSample` walks of three moves, none stopped early. */
function sample(graph: WalkGraph, position: number) {
  const policy = { walksMax: walksOfSample, walksPerLook: walksOfSample, halfWidthMin: 0, landingMassMin: 0 }
  const rng = rngFor({ seed, text: 'sample', position })
  return sampleWalks(graph, 0, { moves: 3, personas, policy, rng })!
}

/** Calls a second of `work`, over at least `millisecondsMin`, after a warm-up. */
function rate(millisecondsMin: number, work: () => void): number {
  for (let i = 0; i < 100; i++) work()
  let calls = 0
  const started = performance.now()
  let elapsed = 0
  while (elapsed < millisecondsMin) {
    for (let i = 0; i < 100; i++) work()
    calls += 100
    elapsed = performance.now() - started
  }
  return (calls / elapsed) * 1000
}
