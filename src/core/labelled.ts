// Labelled users as fits and evaluations read them: live edges in order of time, label shares, and the products' words.

/** A labelled user who has bought something. `shares[c]` are label shares that sum to one; `labels[c]` is 1 above zero. */
export type LabelledUser = {
  readonly userId: string
  /** Fold of the cross-fit that the user is left out of: fixed for a user, whoever else is labelled. */
  readonly fold: number
  /** Dense product numbers with weights (thousandths), by the time of the first interaction. */
  readonly products: Int32Array
  readonly weights: Float64Array
  /** First interaction with each product, ms. */
  readonly times: Float64Array
  readonly shares: Float64Array
  readonly labels: Uint8Array
}

export type LabelledGraph = {
  readonly personas: readonly string[]
  readonly users: readonly LabelledUser[]
  /** Words of each product by dense number, and the number of all its buyers, labelled or not. */
  readonly words: readonly (readonly string[])[]
  readonly buyers: Float64Array
}

/** The user with the first `count` products alone: what was known of them then. */
export function earlier(user: LabelledUser, count: number): LabelledUser {
  return {
    ...user,
    products: user.products.subarray(0, count),
    weights: user.weights.subarray(0, count),
    times: user.times.subarray(0, count),
  }
}

/** W(u), thousandths. */
export function weightOf({ weights }: LabelledUser): number {
  let sum = 0
  for (const weight of weights) sum += weight
  return sum
}
