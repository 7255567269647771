// Ids: external ones are opaque branded strings, internal ones dense integers; the two never mix.
import { idBytesMax } from './limits.ts'

export type UserId = string & { readonly brand: 'UserId' }
export type ProductId = string & { readonly brand: 'ProductId' }
export type EventId = string & { readonly brand: 'EventId' }

/** Dense, from 0, given in order of first sight, never given again. */
export type UserIndex = number & { readonly brand: 'UserIndex' }
export type ProductIndex = number & { readonly brand: 'ProductIndex' }

/**
 * Says why `value` cannot be an id (opaque UTF-8 of 1 to 256 bytes), or nothing when it can.
 * Length is counted in bytes of UTF-8; a lone surrogate has no UTF-8 form and would not come back as it went in.
 */
export function idProblem(value: unknown): string | undefined {
  if (value === undefined || value === null) return 'is missing'
  if (typeof value !== 'string')
    return `must be a string, not ${Array.isArray(value) ? 'an array' : typeof value}`
  if (value.length === 0) return 'is empty'
  if (value.length <= idBytesMax / 3 && value.isWellFormed()) return undefined
  if (!value.isWellFormed()) return 'is not well-formed Unicode (a lone surrogate)'
  const bytes = utf8Length(value)
  return bytes > idBytesMax ? `has ${bytes} bytes; ids have at most ${idBytesMax}` : undefined
}

function utf8Length(text: string): number {
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : unit >= 0xd800 && unit < 0xe000 ? 2 : 3
  }
  return bytes
}
