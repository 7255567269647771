// The labelled users behind an answer, and the steps of the walk that lead to them.
import type { UserIndex } from '../core/ids.ts'
import { publishedOne, shareOne } from '../core/limits.ts'
import type { ShareList } from '../core/prototype.ts'
import { rhoOf } from '../core/vector.ts'
import { newNeighbours, type StoreReader } from '../store/port.ts'
import type { Carried } from './explain.ts'
import { type Sliced, sorted } from './slices.ts'
import type { Labels } from './snapshot.ts'
import type { Walker } from './walk-anew.ts'

const prototypesShown = 10
/** All between the products and the prototypes that are shown. */
const pathsShown = 100
/** Buyers of a product that are read between pauses. */
const buyersPerStep = 2048

export type ShownPrototype = {
  readonly user_id: string
  readonly share: number
  readonly personas: Record<string, number>
  /** Who labelled them and why so, where it is known. */
  readonly labeller?: string | undefined
  readonly rationale?: string | undefined
}

/** Two steps of the walk: `weight` purchases of the product by the labelled user carry this share of the answer. */
export type Path = {
  readonly product_id: string
  readonly prototype: string
  readonly weight: number
  readonly share: number
}

type Walk = {
  readonly walker: Walker
  readonly kappa: number
  readonly labels: Labels
  /** Personas that the explanation speaks of. */
  readonly spoken: readonly number[]
  /** What all products bring of those. */
  readonly total: number
}
type LabelsRead = ReadonlyMap<UserIndex, ShareList>
type Brought = { readonly user: UserIndex; readonly weight: number; readonly brought: number }

/**
 * Labelled buyers of the products, by what their labels bring of the personas that are spoken of:
 * w·rho·w(k,p)·l_k / (M + kappa); and the paths through the products that are shown.
 */
export function* prototypesBehind(
  carried: readonly Carried[],
  { shown, ...walk }: Walk & { readonly shown: readonly Carried[] },
): Sliced<{ prototypes: ShownPrototype[]; paths: Path[]; priorShare: number }> {
  const { walker, total } = walk
  const { store } = walker
  const labels = yield* walk.labels.read()
  const found = new Map<UserIndex, number>()
  let labelled = 0
  let opened = 0
  for (const one of carried) {
    if (one.contribution === 0) continue
    yield* broughtBy(one, { ...walk, read: labels }, ({ user, brought }) => {
      found.set(user, (found.get(user) ?? 0) + brought)
      labelled += brought
    })
    opened += one.contribution
  }
  const greatest = yield* sorted([...found], (a, b) => b[1] - a[1] || a[0] - b[0])
  const names = new Map<UserIndex, string>()
  const prototypes = greatest.slice(0, prototypesShown).flatMap(([user, brought]) => {
    const userId = store.user(user)?.userId
    if (userId === undefined) return [] // erased meanwhile
    names.set(user, userId)
    const personas = labels
      .get(user)!
      .map(({ persona, share }) => [walker.version.personas[persona]!.name, share / shareOne])
    return [
      {
        user_id: userId as string,
        share: brought / total,
        personas: Object.fromEntries(personas) as Record<string, number>,
        ...labelNoteOf(store, user),
      },
    ]
  })
  return {
    prototypes,
    paths: yield* pathsTo(names, { ...walk, read: labels, shown }),
    priorShare: opened > 0 ? Math.max(0, 1 - labelled / opened) : 0,
  }
}

function* pathsTo(
  names: ReadonlyMap<UserIndex, string>,
  { shown, ...walk }: Walk & { readonly shown: readonly Carried[]; readonly read: LabelsRead },
): Sliced<Path[]> {
  const paths: Path[] = []
  for (const one of shown) {
    if (one.contribution === 0) continue
    const product_id = walk.walker.store.product(one.product)!.productId
    yield* broughtBy(one, walk, ({ user, weight, brought }) => {
      const prototype = names.get(user)
      if (prototype !== undefined && brought > 0)
        paths.push({ product_id, prototype, weight: weight / 1000, share: brought / walk.total })
    })
  }
  return paths.sort((a, b) => b.share - a.share).slice(0, pathsShown)
}

/** Tells what each labelled buyer of a product brings. */
function* broughtBy(
  { product, weight }: Carried,
  { walker, kappa, spoken, read }: Walk & { readonly read: LabelsRead },
  tell: (one: Brought) => void,
): Sliced<void> {
  const { mass } = walker.vector(product)!
  const scale = (weight * rhoOf(mass, kappa) * publishedOne) / (mass + kappa) / shareOne
  const buyers = newNeighbours()
  walker.store.buyersOf(product, buyers)
  for (let i = 0; i < buyers.length; i++) {
    if (i % buyersPerStep === 0) yield
    const user = buyers.ids[i] as UserIndex
    const shares = read.get(user)
    if (shares === undefined) continue
    const bought = buyers.weights[i]!
    tell({ user, weight: bought, brought: scale * bought * shareOf(shares, spoken) })
  }
}

function shareOf(shares: ShareList, held: readonly number[]): number {
  let sum = 0
  for (const { persona, share } of shares) if (held.includes(persona)) sum += share
  return sum
}

export function labelNoteOf(store: StoreReader, user: UserIndex): { labeller?: string; rationale?: string } {
  const { labeller, rationale } = store.labelNote(store.counters().version, user) ?? {}
  return {
    ...(labeller !== undefined && { labeller }),
    ...(rationale !== undefined && { rationale }),
  }
}
