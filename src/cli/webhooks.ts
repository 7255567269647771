// webhooks add|list|remove|dead-letters|replay: subscriptions, beside a running `serve` or without one.
import type { Command } from 'commander'
import { webhookInput } from '../codec/webhook-subscription.ts'
import { UsageError } from '../errors.ts'
import { openReader, requireData } from '../profiler.ts'
import { type OpenedAdmin, openWebhookAdmin } from '../webhooks.ts'
import { configOf, type DataOptions, withData } from './context.ts'
import { grouped, print, printJson, printLines } from './output.ts'

type Admin = OpenedAdmin['admin']
type AddOptions = DataOptions & {
  readonly persona?: readonly string[]
  readonly direction?: readonly string[]
  readonly minProbability?: string
  readonly format?: string
}

export function addWebhooks(program: Command): void {
  const webhooks = program.command('webhooks').description('who is sent change events by HTTP')
  withData(webhooks.command('add'))
    .description('send change events to a URL; its secret is shown once')
    .argument('<url>', 'where to: https, unless KINDRED_WEBHOOK_ALLOW_HTTP is true')
    .option('--persona <name...>', 'of these personas alone')
    .option('--direction <way...>', 'entered, exited, primary')
    .option('--min-probability <p>', 'of personas held with at least this probability')
    .option('--format <format>', 'kindred, cloudevents or segment')
    .action((url: string, options: AddOptions) => administering(options, (admin) => add(admin, url, options)))
  withData(webhooks.command('list'))
    .description('list subscriptions, and how each stands')
    .action((options: DataOptions) => administering(options, (admin) => list(admin, options)))
  withData(webhooks.command('remove'))
    .description('send nothing more to a webhook, and forget what waits for it')
    .argument('<id>')
    .action((id: string, options: DataOptions) =>
      administering(options, (admin) => {
        if (!admin.remove(id)) throw unknown(id)
        if (options.json) printJson({ id, removed: true })
        else print(`${id} is removed\n`)
      }),
    )
  withData(webhooks.command('dead-letters'))
    .description('list deliveries that were given up, oldest first')
    .argument('<id>')
    .action((id: string, options: DataOptions) =>
      administering(options, (admin) => {
        if (admin.get(id) === undefined) throw unknown(id)
        printLines(lettersOf(admin, id))
      }),
    )
  withData(webhooks.command('replay'))
    .description('put dead letters back into the queue, up to 1,000 at a time')
    .argument('<id>')
    .action((id: string, options: DataOptions) =>
      administering(options, (admin) => {
        const done = admin.replay(id, {})
        if (done === undefined) throw unknown(id)
        if (options.json) printJson(done)
        else
          print(
            `${grouped(done.replayed)} deliveries wait again, ${grouped(done.left)} dead letters are left\n`,
          )
      }),
    )
}

function add(
  admin: Admin,
  url: string,
  { persona, direction, minProbability, format, json }: AddOptions,
): void {
  const parsed = webhookInput.safeParse({
    url,
    filter: {
      ...(persona === undefined ? {} : { personas: persona }),
      ...(direction === undefined ? {} : { directions: direction }),
      ...(minProbability === undefined ? {} : { min_probability: Number(minProbability) }),
    },
    ...(format === undefined ? {} : { format }),
  })
  if (!parsed.success)
    throw new UsageError(
      parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
    )
  const { webhook, secret } = admin.create(parsed.data)
  if (json) return printJson({ ...webhook, secret })
  print(`${webhook.id} is sent change events from now on while \`kindred serve\` runs\n`)
  print(`its secret, which is not shown again: ${secret}\n`)
}

function list(admin: Admin, { json }: DataOptions): void {
  const all = admin.list()
  if (json) return printLines(all)
  if (all.length === 0) return print('there is no webhook\n')
  for (const { id, url, active, disabled, queued, dead_letters, delivered } of all) {
    const state = active ? 'on' : `off${disabled === undefined ? '' : ` (${disabled.reason})`}`
    print(
      `${id}  ${state}  ${url}\n  ${grouped(delivered)} delivered, ${grouped(queued)} waiting, ${grouped(dead_letters)} dead letters\n`,
    )
  }
}

function* lettersOf(admin: Admin, id: string): Generator<object> {
  for (let after: string | undefined; ; ) {
    const page = admin.deadLetters(id, { after, limit: 1000 }) ?? []
    yield* page
    if (page.length === 0) return
    after = page.at(-1)!.cursor
  }
}

async function administering(options: DataOptions, work: (admin: Admin) => void): Promise<void> {
  const place = { dir: options.data, config: configOf() }
  requireData(place.dir)
  const store = openReader(place)
  const opened = openWebhookAdmin({ ...place, changes: () => store.counters().changes })
  try {
    work(opened.admin)
  } finally {
    await opened.close()
    await store.close()
  }
}

function unknown(id: string): UsageError {
  return new UsageError(`there is no webhook ${JSON.stringify(id)}: \`kindred webhooks list\` shows them`)
}
