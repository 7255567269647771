// A running `kindred serve` on a free port: its address as it logs it, and requests to it.
import { type Input, type Outcome, type Running, type Settings, start } from './command.ts'

export type Server = Running & {
  readonly url: string
  /** Status and JSON of a GET. */
  get(path: string): Promise<Reply>
  /** POST /v1/events, as JSON unless `type` says another. */
  post(events: unknown, type?: string): Promise<Reply>
  lookUp(userId: string): Promise<Reply>
  /** SIGTERM, and how it ended. */
  stop(): Promise<Outcome>
  /** SIGKILL. */
  kill(): Promise<Outcome>
}

export type Reply = {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

/** Resolves once it listens; rejects with what it said when it ends before that. */
export async function serve(
  data: string,
  {
    env = {},
    args = [],
    ...input
  }: Pick<Input, 'preload' | 'secondsMax'> & { env?: Settings; args?: string[] } = {},
): Promise<Server> {
  const running = start(['serve', '--port', '0', '--data', data, ...args], { env, ...input })
  const url = await addressOf(running)
  const lookUp = (userId: string) => get(`/v1/users/${encodeURIComponent(userId)}/personas`)
  const get = async (path: string) => replyOf(await fetch(url + path))
  return {
    ...running,
    url,
    get,
    lookUp,
    post: async (events, type = 'application/json') =>
      replyOf(
        await fetch(`${url}/v1/events`, {
          method: 'POST',
          headers: { 'content-type': type },
          body: typeof events === 'string' ? events : JSON.stringify(events),
        }),
      ),
    stop: () => ended(running, 'SIGTERM'),
    kill: () => ended(running, 'SIGKILL'),
  }
}

/** Lines that it logged, all of them JSON. */
export function logged(stderr: string): Record<string, unknown>[] {
  return stderr
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** Does `work` while the process stands still. */
export async function whileStopped({ child }: Server, work: () => Promise<unknown>): Promise<void> {
  child.kill('SIGSTOP')
  try {
    await work()
  } finally {
    child.kill('SIGCONT')
  }
}

function addressOf({ child, stderr, ended }: Running): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stderr!.on('data', () => {
      const address = /"address":"([^"]+)"/.exec(stderr())?.[1]
      if (address !== undefined) resolve(address)
    })
    ended.then(({ code, stderr: text }) => reject(new Error(`serve ended with ${code}: ${text}`)), reject)
  })
}

async function ended({ child, ended }: Running, signal: NodeJS.Signals): Promise<Outcome> {
  child.kill(signal)
  return ended
}

async function replyOf(response: Response): Promise<Reply> {
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  }
}
