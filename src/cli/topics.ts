// topics create|check: the topics that Kindred reads and writes. What they do is loaded when it is asked for: no other
// command pays for it.
import { type Command, InvalidArgumentError } from 'commander'

export type CreateOptions = {
  readonly json: boolean
  readonly partitions: number
  readonly replication: number
}

export function addTopics(program: Command): void {
  const topics = program.command('topics').description('the Kafka topics that Kindred reads and writes')
  topics
    .command('create')
    .description('make the topics that are not there yet, with the settings they need')
    .option('--partitions <n>', 'partitions of topics that are made', count, 6)
    .option('--replication <n>', 'replicas of each (-1: as the cluster has it)', count, -1)
    .option('--json', 'machine-readable: one JSON document on stdout', false)
    .action(async (options: CreateOptions) => (await import('./topics-run.ts')).createAndTell(options))
  topics
    .command('check')
    .description('compare the topics and the registry with what Kindred needs; exit 1 if it cannot run so')
    .option('--json', 'machine-readable: one JSON document on stdout', false)
    .action(async (options: { json: boolean }) => (await import('./topics-run.ts')).checkTopics(options))
}

function count(text: string): number {
  if (!/^(?:-1|[1-9]\d{0,4})$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
