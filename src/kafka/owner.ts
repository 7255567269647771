// Whose a consumer group is: offsets carry, as metadata, the data directory that they belong to. Another directory is
// refused: it would split the graph, and take what was emitted for its own.
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { Admin } from 'kafkajs'
import { FatalError } from '../errors.ts'

/** A data directory, as others are told of it. */
export type StoreMark = { readonly store: string; readonly dir: string }

type Owner = { readonly kindred_store: string; readonly host: string; readonly dir: string }

/** Metadata of offsets that this directory commits. */
export function ownerMark({ store, dir }: StoreMark): string {
  const owner: Owner = { kindred_store: store, host: hostname(), dir: resolve(dir) }
  return JSON.stringify(owner)
}

/** The directory that a committed offset belongs to; undefined for an offset of anything else. */
export function ownerOfOffset(metadata: string | null | undefined): Owner | undefined {
  if (!metadata?.startsWith('{"kindred_store"')) return undefined
  try {
    return JSON.parse(metadata) as Owner
  } catch {
    return undefined
  }
}

/** Throws FatalError when the group's offsets belong to another data directory, unless it is claimed. */
export async function checkOwner(
  admin: Admin,
  {
    group,
    topics,
    mark,
    claim,
  }: { group: string; topics: readonly string[]; mark: StoreMark; claim: boolean },
): Promise<void> {
  if (claim) return
  for (const { partitions } of await admin.fetchOffsets({ groupId: group, topics: [...topics] }))
    for (const { metadata } of partitions) {
      const owner = ownerOfOffset(metadata)
      if (owner !== undefined && owner.kindred_store !== mark.store) throw ownedByOther(group, owner)
    }
}

export function ownedByOther(group: string, { host, dir }: Owner): FatalError {
  return new FatalError(
    `the consumer group ${group} belongs to another data directory (${dir} on ${host}): name another group with KINDRED_KAFKA_GROUP, or take this one over with KINDRED_KAFKA_CLAIM=true once the other has stopped for good`,
  )
}
