// The live truth meter: quality of the running answers on held-out labels, measured anew once it is older than a while.
import { shareOne } from '../core/limits.ts'
import type { StoreReader } from '../store/port.ts'
import { type LiveQuality, liveQuality } from './live.ts'

/** How long a measurement stands: with many held-out users it takes a tenth of a second and more. */
const standsMs = 30_000
/** Held-out users that one measurement reads, the first ones: an F1 of so many is good to one in a hundred. */
const usersMax = 2_000

export type TruthMeter = () => { readonly epoch: number; readonly quality: LiveQuality | undefined }

/** A meter over a store; `now` in ms, of any clock that does not go back. */
export function truthMeter(store: StoreReader, now: () => number): TruthMeter {
  let measured: { readonly at: number; readonly quality: LiveQuality | undefined } | undefined
  return () => {
    if (measured === undefined || now() - measured.at >= standsMs)
      measured = { at: now(), quality: heldOutQuality(store) }
    return { epoch: store.counters().epoch, quality: measured.quality }
  }
}

/** Quality on the held-out labels of the active version; undefined without any. */
export function heldOutQuality(store: StoreReader): LiveQuality | undefined {
  const { version } = store.counters()
  const personas = store.version(version)?.personas.map(({ name }) => name) ?? []
  return liveQuality(store, { personas, labels: heldOutLabels(store, version) })
}

function* heldOutLabels(store: StoreReader, version: number) {
  let read = 0
  for (const { userIndex, shares } of store.heldOut(version)) {
    if (++read > usersMax) return
    yield {
      userIndex,
      userId: '',
      shares: shares.map(({ persona, share }) => ({ persona, share: share / shareOne })),
    }
  }
}
