// Affected users: whose walk an event can have changed. A prototype's own answer is its labels, so it is never walked.

/** What one event did to the edge of its buyer and product. */
export type Delta = { readonly weightBefore: number; readonly weightAfter: number }

export type Affected = 'nobody' | 'the buyer' | 'the buyers of the product'

/**
 * An ordinary purchase changes its buyer's walk alone; a prototype's changes b(p), and so the walks of p's buyers,
 * but only once p is re-published: users are always scored from published vectors.
 */
export function affectedBy({
  byPrototype,
  republished,
}: {
  byPrototype: boolean
  republished: boolean
}): Affected {
  if (!byPrototype) return 'the buyer'
  return republished ? 'the buyers of the product' : 'nobody'
}
