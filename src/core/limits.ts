// Every named limit of the engine (I7), in one place. What may be configured starts from these (config.ts).

/** 1.0 of a label share: shares are whole numbers of 2⁻²⁰. */
export const shareOne = 2 ** 20

/** 1.0 of a published vector's entry: published vectors are whole numbers of 2⁻²⁴. */
export const publishedOne = 2 ** 24

/** Ids are 1 to this many bytes of UTF-8. */
export const idBytesMax = 256

/** Largest quantity of one event. */
export const quantityMax = 1_000_000_000

/** Largest |net quantity| of one edge; an event that would pass it is quarantined. */
export const netQuantityMax = Number.MAX_SAFE_INTEGER

/** Largest count of views, carts or reviews of one edge (stored in 32 bits); counting stops there. */
export const interactionCountMax = 2 ** 32 - 1

/** Event times lie in [1970-01-01, 2100-01-01), milliseconds since 1970. */
export const tsMax = Date.UTC(2100, 0, 1)

/** Titles and categories longer than this many UTF-16 units are cut. */
export const titleLengthMax = 512

/** Largest W(u) in thousandths: keeps S(u) = sum w·b̂ below 2⁵³ (b̂ ≤ 2²⁴), so about 536,000 purchased products a user. */
export const userWeightMax = 2 ** 53 / publishedOne - 1

/** Personas of one persona set. */
export const personasMax = 256

/** Prototypes of one version: with weights of at most 2,100 a product's B(p) stays below 2⁵³. */
export const prototypesMax = 200_000

/** Users and products of one store: (user, product) packs into one key of 53 bits. */
export const usersMax = 2 ** 26
export const productsMax = 2 ** 26

/** Products named as evidence in one change event. */
export const evidenceProductsMax = 3

/** Edges read for the evidence of one change: a hub user's first this many live edges stand for all. */
export const evidenceEdgesMax = 20_000

/** Records of one log block or one file chunk, and their bytes. */
export const blockRecordsMax = 512
export const blockBytesMax = 256 * 1024

/** A single record's bytes; a longer line of a file is quarantined with its beginning only, a value of a topic whole. */
export const recordBytesMax = 4 * 1024 * 1024

/** Schemas kept parsed, of those that values of a topic were written with; a registry's client keeps as many texts. */
export const writerSchemasMax = 256

/** Prototypes times personas that one calibration reads, and one fit of the content head; of more, as many are read evenly. */
export const calibrationRowsMax = 160_000
export const contentRowsMax = 20_000

/** Words that the content head knows. */
export const contentWordsMax = 20_000

/** Longer rationales of labels are cut to so many UTF-16 units. */
export const rationaleLengthMax = 2000
