// What the stages count for whoever watches, beside what the store counts: of one batch at a time.

export type Tally = {
  entered: number
  exited: number
  primary: number
  status: number
  publications: number
  /** Greatest ||b̂ − b||₁ / rho at which a product was left. */
  drift: number
}

export function newTally(): Tally {
  return { entered: 0, exited: 0, primary: 0, status: 0, publications: 0, drift: 0 }
}
