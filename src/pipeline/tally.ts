// What the stages count for whoever watches, beside what the store counts: of one batch at a time.

export type Tally = {
  entered: number
  exited: number
  primary: number
  status: number
  publications: number
  /** Greatest ||b̂ − b||₁ / rho at which a product was left. */
  drift: number
  /** Records that were quarantined, the first ones. */
  readonly quarantined: Quarantined[]
}

/** A record by what names it and nobody: its id in quarantine, and where it came from. The cause may quote the record. */
export type Quarantined = {
  readonly quarantineId: number
  readonly source: string
  readonly offset: number
  readonly cause: string
}

/** Quarantined records of one batch that are told of one by one. */
export const quarantinedToldMax = 3

export function newTally(): Tally {
  return { entered: 0, exited: 0, primary: 0, status: 0, publications: 0, drift: 0, quarantined: [] }
}
