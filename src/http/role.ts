// What a process answers for: lookups, ingest, or both.

export const roles = ['all', 'ingest', 'lookup'] as const
export type Role = (typeof roles)[number]
