// The mapping from personas to segments of taxonomies: a file (KINDRED_OPENRTB_MAPPING), or the personas' own names.
import { z } from 'zod'
import { messageOf, UsageError } from '../errors.ts'
import type { PersonasAnswer } from '../lookup/answer.ts'
import type { OpenRtbData } from './schemas.ts'

const segment = z.union([
  z.string().min(1),
  z.strictObject({ id: z.string().min(1), name: z.string().min(1).optional() }),
])
const taxonomy = z.strictObject({
  /** Our id and name as the exchange knows us. */
  id: z.string().min(1).optional(),
  name: z.string().min(1).default('kindred'),
  /** Number of the taxonomy (AdCOM category taxonomies; 500 and above: of vendors, as registered). */
  segtax: z.number().int().min(1).optional(),
  /** Segments by persona; without them every persona is a segment by its own name. Who is not named is not told of. */
  segments: z.record(z.string(), segment).optional(),
})
const mapping = z.strictObject({ data: z.array(taxonomy).min(1).max(16) })

/** One entry a taxonomy, each of which makes one Data object. */
export type OpenRtbMapping = {
  readonly data: readonly {
    readonly id?: string | undefined
    readonly name: string
    readonly segtax?: number | undefined
    /** A map: a persona may be called `constructor`. */
    readonly segments: ReadonlyMap<string, { readonly id: string; readonly name: string }> | undefined
  }[]
}

/** Personas by their own names; their ids are in no registered taxonomy, so none is claimed. */
export const ownNames: OpenRtbMapping = { data: [{ name: 'kindred', segments: undefined }] }

/** Reads a mapping file's text. Throws UsageError that names the place. */
export function parseOpenRtbMapping(text: string): OpenRtbMapping {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UsageError(`KINDRED_OPENRTB_MAPPING is not JSON: ${messageOf(error)}`)
  }
  const result = mapping.safeParse(value)
  if (!result.success) {
    const { path, message } = result.error.issues[0]!
    throw new UsageError(`KINDRED_OPENRTB_MAPPING: ${path.map(String).join('.') || 'the file'}: ${message}`)
  }
  return {
    data: result.data.data.map(({ segments, ...rest }) => ({
      ...rest,
      segments:
        segments &&
        new Map(
          Object.entries(segments).map(([persona, to]) => [
            persona,
            typeof to === 'string' ? { id: to, name: persona } : { id: to.id, name: to.name ?? persona },
          ]),
        ),
    })),
  }
}

/** Data objects of what a user holds; those without a segment are left out. */
export function openRtbDataOf(
  { personas }: Pick<PersonasAnswer, 'personas'>,
  { data }: OpenRtbMapping,
): OpenRtbData[] {
  return data.flatMap(({ id, name, segtax, segments }) => {
    const segment = personas.flatMap(({ persona, probability }) => {
      const to = segments === undefined ? { id: persona, name: persona } : segments.get(persona)
      return to === undefined ? [] : [{ ...to, value: probability.toFixed(4) }]
    })
    if (segment.length === 0) return []
    return [
      {
        ...(id === undefined ? {} : { id }),
        name,
        segment,
        ...(segtax === undefined ? {} : { ext: { segtax } }),
      },
    ]
  })
}
