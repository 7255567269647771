/** Oracle, names to trip over: ids are opaque UTF-8 of 1 to 256 bytes, any content. */
import fc from 'fast-check'

const oddIds = [
  ' ',
  '0',
  '00',
  '-1',
  '1e3',
  'é',
  'e\u0301',
  '\u0000',
  'a\u0000b',
  'a\nb',
  'a\r\nb',
  '\t',
  '"',
  '\\',
  'a,b;"c"',
  'a/b?c#d%2F',
  '../..',
  'null',
  'constructor',
  '__proto__',
  'toString',
  '\uFEFFbom',
  '\u202Eright to left',
  '\u200B',
  '\u2028',
  '\uD7FF',
  '\uE000',
  '\uFF5E',
  '\uFFFF',
  '😀',
  '👩‍👩‍👧',
  '\u{10FFFF}',
  'x'.repeat(256),
  `${'漢'.repeat(85)}x`,
  '😀'.repeat(64),
] as const

export const idArbitrary: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 20 }).map((number) => `id${number}`) },
  { weight: 2, arbitrary: fc.constantFrom(...oddIds) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }) },
)

/** Prefixes that keep an event id odd and, with a number behind, unique. */
export const eventIdPrefixes = ['e', 'or:536365:', 'évén ', 'e\u0301', '\u0000', '😀', '"\\', '\uFEFF', '\n']

/** Sorted by code unit the emoji comes before the wide tilde; sorted by UTF-8 bytes, behind. */
export const personaNames = [
  'Gift Giver',
  'Tea and Coffee Lover',
  'café',
  'cafe\u0301',
  '\uFF5E',
  '😀',
  'constructor',
  'a "quoted", one',
] as const
