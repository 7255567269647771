// Words of titles, keywords and descriptions, brought to one form, and phrases found among them.

/** One Chinese or Japanese character, which is about a word there, or a run of letters and digits. */
const wordPattern =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|(?:(?![\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{L}\p{N}])+/gu

/** Lower-case words without accents, plurals cut. */
export function wordsOf(text: string): string[] {
  const plain = text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase().replaceAll(/['’]/g, '')
  return (plain.match(wordPattern) ?? []).map(stemOf)
}

/** English plurals alone: enough for mugs and candies, too little to make one word of two. */
export function stemOf(word: string): string {
  if (word.length > 4 && word.endsWith('ies')) return `${word.slice(0, -3)}y`
  if (/(?:[sxz]|ch|sh)es$/.test(word) && word.length > 4) return word.slice(0, -2)
  if (word.length > 3 && word.endsWith('s') && !/(?:ss|us|is)$/.test(word)) return word.slice(0, -1)
  return word
}

/** Whether the words of a phrase stand in `words`, next to each other. */
export function hasPhrase(words: readonly string[], phrase: readonly string[]): boolean {
  if (phrase.length === 0) return false
  for (let at = 0; at + phrase.length <= words.length; at++)
    if (phrase.every((word, i) => words[at + i] === word)) return true
  return false
}

/** Words that say nothing of a persona. */
const fillers = new Set(
  `a about after all also an and any are as at be been both but by can choose does for from had has have her his how if
  in into is it its just like love make many more most no not of on one only or other our out own person people
  prefer she he shop shopper so some such than that the their them then there these they thing this those to too up us
  use user very want was well what when where which while who whose will with you your buy item product`
    .split(/\s+/)
    .map(stemOf),
)

/** The words of a text that can say something: of three letters at least, no fillers, each once. */
export function tellingWords(text: string): string[] {
  return [...new Set(wordsOf(text))].filter((word) => word.length >= 3 && !fillers.has(word))
}
