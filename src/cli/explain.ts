// explain USER: which products and prototypes carry the answer, and the one product whose removal would change it.
import type { Command } from 'commander'
import { FatalError } from '../errors.ts'
import { type Explanation, explain } from '../lookup/explain.ts'
import { type DataOptions, reading, withData } from './context.ts'
import { describe } from './lookup.ts'
import { percent, print, printJson } from './output.ts'

export function addExplain(program: Command): void {
  withData(program.command('explain'))
    .description('say why a user is answered as they are')
    .argument('<user>', 'user id')
    .action(async (userId: string, options: DataOptions) => {
      const explanation = await reading(options, (_store, snapshot) => explain(snapshot, { userId }))
      if (explanation === undefined)
        throw new FatalError(`user ${JSON.stringify(userId)} was never seen in ${options.data}`)
      if (options.json) printJson(explanation)
      else print(describeExplanation(explanation))
    })
}

export function describeExplanation(explanation: Explanation): string {
  const lines = [describe(explanation).trimEnd()]
  if (explanation.note !== undefined) lines.push(`  ${explanation.note}`)
  if (explanation.products.length > 0) lines.push('  because of')
  for (const { title, product_id: id, share } of explanation.products.slice(0, 5))
    lines.push(`    ${percent(share).padStart(7)}  ${title ?? id}`)
  for (const [persona, { base, walk, words, degree }] of Object.entries(explanation.parts ?? {}).slice(0, 5))
    lines.push(
      `    ${persona}: log odds ${(base + walk + words + degree).toFixed(2)} = base rate ${base.toFixed(2)}, who bought it ${signed(walk)}, its words ${signed(words)}, how much was bought ${signed(degree)}`,
    )
  if (explanation.prototypes.length > 0) lines.push('  as bought by the labelled users')
  for (const { user_id: id, share, personas } of explanation.prototypes.slice(0, 3))
    lines.push(`    ${percent(share).padStart(7)}  ${id}: ${Object.keys(personas).join(', ')}`)
  if (explanation.prior_share > 0)
    lines.push(`    ${percent(explanation.prior_share).padStart(7)}  base rates`)
  if (explanation.status === 'inferred' && explanation.method !== 'sampled')
    lines.push(`  ${counterfactualText(explanation)}`)
  return `${lines.join('\n')}\n`
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'} ${Math.abs(value).toFixed(2)}`
}

function counterfactualText({ counterfactual, primary }: Explanation): string {
  if (counterfactual === null)
    return 'no single product decides it: without any one of them the answer is the same'
  const { title, product_id: id, status, personas, primary: other } = counterfactual
  const answer = status === 'unknown' ? 'unknown' : personas.length === 0 ? 'no persona' : personas.join(', ')
  return `without “${title ?? id}” it would be: ${answer}${other !== null && other !== primary ? ` (primary: ${other})` : ''}`
}
