// Lint of a persona set: what would make a labeller, or a reader of answers, stumble.
import { z } from 'zod'
import { personasMax } from '../core/limits.ts'
import { hasPhrase, tellingWords, wordsOf } from './words.ts'

export type Rule =
  | 'form'
  | 'count'
  | 'version'
  | 'name'
  | 'duplicate'
  | 'near_duplicate'
  | 'description'
  | 'keywords'
  | 'shared_keyword'
  | 'unmatched_keyword'

export type Finding = {
  readonly severity: 'error' | 'warning'
  readonly rule: Rule
  /** Name of the persona it is about; undefined for the set. */
  readonly persona?: string | undefined
  readonly message: string
}

/** Any JSON that may be meant as a persona set: what is wrong with its parts is a finding each, not the end. */
const looseSet = z.object({
  version: z.unknown().optional(),
  personas: z.array(
    z.object({
      name: z.string(),
      description: z.string().nullish(),
      keywords: z.array(z.string()).nullish(),
    }),
  ),
})

type Persona = { readonly name: string; readonly description: string; readonly keywords: readonly string[] }

const personasFew = 3
const personasMany = 40
const nameUnitsMax = 60
const descriptionUnitsMin = 30
/** Words that two names share, of all their words, from which they are near duplicates. */
const alikeMin = 0.6

/** Findings about a set, errors first. `titles`, when given, are those of the shop's products. */
export function checkPersonas(value: unknown, titles?: readonly string[]): Finding[] {
  const parsed = looseSet.safeParse(value)
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!
    return [about().error('form', `${path.join('.') || 'the file'}: ${message}`)]
  }
  const personas = parsed.data.personas.map(({ name, description, keywords }) => ({
    name,
    description: description?.trim() ?? '',
    keywords: keywords ?? [],
  }))
  const findings = [
    ...setFindings(personas, parsed.data.version),
    ...personas.flatMap(nameFindings),
    ...pairFindings(personas),
    ...personas.flatMap(descriptionFindings),
    ...keywordFindings(personas),
    ...(titles === undefined ? [] : titleFindings(personas, titles)),
  ]
  return findings.sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'))
}

function setFindings(personas: readonly Persona[], version: unknown): Finding[] {
  const count = personas.length
  return [
    ...(count === 0 ? [about().error('count', 'there is no persona')] : []),
    ...(count > personasMax
      ? [about().error('count', `${count} personas; a set has at most ${personasMax}`)]
      : []),
    ...(count > 0 && count < personasFew
      ? [about().warning('count', `${count} personas tell shoppers hardly apart; about 20 is usual`)]
      : []),
    ...(count > personasMany && count <= personasMax
      ? [about().warning('count', `${count} personas are many to choose among; about 20 is usual`)]
      : []),
    ...(typeof version === 'string' && version !== ''
      ? []
      : [about().warning('version', 'there is no version: name one, so that sets can be told apart')]),
  ]
}

function nameFindings({ name }: Persona): Finding[] {
  if (name.trim() === '') return [about().error('name', 'a persona has no name')]
  if (!name.isWellFormed() || /\p{Cc}/u.test(name))
    return [about(name).error('name', 'the name has characters that cannot be written')]
  return [
    ...(name === name.trim() ? [] : [about(name).error('name', 'the name begins or ends with a space')]),
    ...(name.length > nameUnitsMax
      ? [about(name).warning('name', `the name has ${name.length} characters`)]
      : []),
    ...(/[/\\?#%,;"]/.test(name)
      ? [
          about(name).warning(
            'name',
            'the name has one of / \\ ? # % , ; " — trouble in URLs, lists and segment names',
          ),
        ]
      : []),
  ]
}

function pairFindings(personas: readonly Persona[]): Finding[] {
  const findings: Finding[] = []
  for (const [i, a] of personas.entries())
    for (const b of personas.slice(i + 1)) {
      if (a.name === b.name) findings.push(about(a.name).error('duplicate', 'the name stands there twice'))
      else if (wordsOf(a.name).join(' ') === wordsOf(b.name).join(' '))
        findings.push(about(a.name).error('duplicate', `hardly another name than ${JSON.stringify(b.name)}`))
      else if (alikeness(a.name, b.name) >= alikeMin)
        findings.push(
          about(a.name).warning('near_duplicate', `much like ${JSON.stringify(b.name)}: merge them?`),
        )
    }
  return findings
}

function descriptionFindings({ name, description }: Persona): Finding[] {
  if (description === '')
    return [about(name).error('description', 'there is no description, by which labellers judge')]
  return description.length < descriptionUnitsMin
    ? [about(name).warning('description', `the description is short (${description.length} characters)`)]
    : []
}

function keywordFindings(personas: readonly Persona[]): Finding[] {
  const owners = new Map<string, string[]>()
  for (const { name, keywords } of personas)
    for (const keyword of new Set(keywords.map(formOf)))
      owners.set(keyword, [...(owners.get(keyword) ?? []), name])
  return [
    ...personas
      .filter(({ keywords }) => keywords.length === 0)
      .map(({ name }) =>
        about(name).warning('keywords', 'there are no keywords, by which the keyword labeller judges'),
      ),
    ...personas.flatMap(({ name, keywords }) =>
      keywords
        .filter((keyword) => wordsOf(keyword).length === 0)
        .map((keyword) =>
          about(name).error('keywords', `the keyword ${JSON.stringify(keyword)} has no word`),
        ),
    ),
    ...[...owners]
      .filter(([keyword, names]) => keyword !== '' && names.length > 1)
      .map(([keyword, names]) =>
        about(names[0]).warning(
          'shared_keyword',
          `the keyword “${keyword}” is also of ${names.slice(1).join(', ')}`,
        ),
      ),
  ]
}

function titleFindings(personas: readonly Persona[], titles: readonly string[]): Finding[] {
  const words = titles.map(wordsOf)
  const vocabulary = new Set(words.flat())
  return personas.flatMap(({ name, keywords }) =>
    keywords
      .filter((keyword) => {
        const phrase = wordsOf(keyword)
        return (
          !phrase.every((word) => vocabulary.has(word)) || !words.some((title) => hasPhrase(title, phrase))
        )
      })
      .map((keyword) =>
        about(name).warning('unmatched_keyword', `the keyword “${keyword}” is in no product title`),
      ),
  )
}

/** Jaccard similarity of what two names say. */
function alikeness(a: string, b: string): number {
  const [one, other] = [new Set(tellingWords(a)), new Set(tellingWords(b))]
  const shared = [...one].filter((word) => other.has(word)).length
  const all = one.size + other.size - shared
  return all === 0 ? 0 : shared / all
}

function formOf(keyword: string): string {
  return wordsOf(keyword).join(' ')
}

/** Findings about a persona, or the set. */
function about(persona?: string) {
  const finding =
    (severity: Finding['severity']) =>
    (rule: Rule, message: string): Finding => ({
      severity,
      rule,
      persona,
      message,
    })
  return { error: finding('error'), warning: finding('warning') }
}
