// lookup USER…: the answers held, as GET /v1/users/:id/personas gives them.
import type { Command } from 'commander'
import { lookUp, type PersonasAnswer } from '../lookup/answer.ts'
import { PersonaNames } from '../lookup/names.ts'
import { type DataOptions, reading, withData } from './context.ts'
import { percent, print, printLines } from './output.ts'

export function addLookup(program: Command): void {
  withData(program.command('lookup'))
    .description('show the personas held for users')
    .argument('<user...>', 'user ids')
    .action(async (users: string[], options: DataOptions) => {
      const answers = await reading(options, (store) => {
        const names = new PersonaNames(store)
        return users.map((user) => ({ user, answer: lookUp(store, names, user) }))
      })
      if (options.json)
        printLines(answers.map(({ user, answer }) => answer ?? { user_id: user, status: 'never seen' }))
      else
        for (const { user, answer } of answers)
          print(answer === undefined ? `${user}: never seen\n` : describe(answer))
      if (answers.some(({ answer }) => answer === undefined)) process.exitCode = 1
    })
}

/** One answer for people. */
export function describe(answer: PersonasAnswer): string {
  const lines = [
    `${answer.user_id}: ${answer.status}${answer.method === 'sampled' ? ' (by longer walks)' : ''}`,
  ]
  if (answer.missing !== undefined) lines.push(`  missing: ${answer.missing}`)
  if (answer.status === 'inferred' && answer.personas.length === 0) lines.push('  no persona stands out')
  for (const { persona, probability, since } of answer.personas)
    lines.push(
      `  ${persona === answer.primary ? '*' : ' '} ${percent(probability).padStart(7)}  ${persona}  (since ${since.slice(0, 10)})`,
    )
  return `${lines.join('\n')}\n`
}
