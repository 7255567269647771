// An OpenAI-compatible API on a real port: chat completions, files and batches, which do what a script says.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type FakeRequest = {
  readonly model: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly response_format: { readonly json_schema: { readonly name: string; readonly strict: boolean } }
  readonly max_completion_tokens: number
}

/** What comes of one request. */
export type Script =
  | { readonly kind: 'answer'; readonly value: unknown; readonly usage?: 'none' }
  /** A completion with this choice, or without one. */
  | {
      readonly kind: 'choice'
      readonly content?: string | null
      readonly refusal?: string
      readonly finish?: string
    }
  | { readonly kind: 'no_choices' }
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: object
    }
  /** 200 with these bytes. */
  | { readonly kind: 'body'; readonly text: string }
  /** 200 with these bytes of more that never come. */
  | { readonly kind: 'stalls'; readonly text: string }
  | { readonly kind: 'hangs' }
  /** A line of a batch that is in neither file. */
  | { readonly kind: 'missing' }

/** `nth`: how often this very prompt was asked before. */
export type Answering = (request: FakeRequest, nth: number) => Script | Promise<Script>

type BatchStatus = 'validating' | 'in_progress' | 'completed' | 'failed' | 'expired' | 'cancelled'
type FakeBatch = {
  readonly id: string
  readonly input_file_id: string
  readonly created_at: number
  readonly metadata: unknown
  status: BatchStatus
  polls: number
  output_file_id?: string
  error_file_id?: string
  errors?: object
}

export type Asked = {
  readonly request: FakeRequest
  readonly prompt: string
  readonly authorization: string | undefined
  readonly at: number
}

export type FakeOpenAi = {
  readonly baseUrl: string
  /** Chat requests as they came, also those that were not answered. */
  readonly asked: Asked[]
  /** Answers given and charged, by prompt. */
  readonly paid: Map<string, number>
  readonly batches: FakeBatch[]
  readonly files: Map<string, string>
  /** From now on. */
  answering: Answering
  /** What a batch comes to when it is looked at; undefined: it goes on. Its lines are answered by `answering`. */
  batchEnd: (batch: FakeBatch) => BatchStatus | undefined
  /** Called when a batch is made and before that is said: a promise holds the reply back. */
  onBatchMade: () => void | Promise<void>
  /** Refuses files and batches with this status. */
  refuseBatches: number | undefined
  /** What files hold is not found. */
  hideFiles: boolean
  stop(): Promise<void>
}

export async function startFakeOpenAi(answering: Answering = answerFirstPersona): Promise<FakeOpenAi> {
  const asked: Asked[] = []
  const paid = new Map<string, number>()
  const batches: FakeBatch[] = []
  const files = new Map<string, string>()
  const server = createServer((request, response) => {
    route(request, response).catch((error: unknown) =>
      send(response, { status: 599, body: { error: { message: String(error) } } }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  const fake: FakeOpenAi = {
    baseUrl,
    asked,
    paid,
    batches,
    files,
    answering,
    batchEnd: ({ polls }) => (polls >= 2 ? 'completed' : undefined),
    onBatchMade: () => undefined,
    refuseBatches: undefined,
    hideFiles: false,
    stop() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    const body = await bodyOf(request)
    const path = url.split('?')[0]!.replace('/v1', '')
    const at = `${method} ${path.replace(/\/(file|batch)-\d+/, '/ID')}`
    const id = /\/((?:file|batch)-\d+)/.exec(path)?.[1] ?? ''
    switch (at) {
      case 'POST /chat/completions':
        return chat(body, { response, authorization: headers.authorization })
      case 'POST /files':
        if (fake.refuseBatches !== undefined) return send(response, problem(fake.refuseBatches))
        return send(response, {
          status: 200,
          body: { id: await upload(body, headers['content-type']!), object: 'file' },
        })
      case 'GET /files/ID/content':
        return files.has(id) && !fake.hideFiles
          ? void response.end(files.get(id))
          : send(response, problem(404))
      case 'POST /batches':
        return send(response, { status: 200, body: await makeBatch(JSON.parse(body.toString('utf8'))) })
      case 'GET /batches':
        return send(response, {
          status: 200,
          body: { object: 'list', data: batches.toReversed(), has_more: false },
        })
      case 'GET /batches/ID': {
        const batch = batches.find((each) => each.id === id)
        return send(response, batch === undefined ? problem(404) : { status: 200, body: await lookAt(batch) })
      }
      default:
        return send(response, problem(404))
    }
  }

  async function chat(
    body: Buffer,
    { response, authorization }: { response: ServerResponse; authorization: string | undefined },
  ): Promise<void> {
    const request = JSON.parse(body.toString('utf8')) as FakeRequest
    const script = await take(request, authorization)
    switch (script.kind) {
      case 'hangs':
      case 'missing':
        return
      case 'stalls':
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1000 })
        response.write(script.text)
        return
      case 'status':
        return send(response, { ...problem(script.status), ...script })
      default:
        paid.set(promptOf(request), (paid.get(promptOf(request)) ?? 0) + 1)
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(bodyFor(request, script))
    }
  }

  function take(request: FakeRequest, authorization: string | undefined): Script | Promise<Script> {
    const prompt = promptOf(request)
    const nth = asked.filter((each) => each.prompt === prompt).length
    asked.push({ request, prompt, authorization, at: performance.now() })
    return fake.answering(request, nth)
  }

  async function upload(body: Buffer, type: string): Promise<string> {
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData()
    const id = `file-${files.size + 1}`
    files.set(id, await (form.get('file') as Blob).text())
    return id
  }

  async function makeBatch(wanted: { input_file_id: string; metadata: unknown }): Promise<object> {
    const { input_file_id, metadata } = wanted
    const created_at = Math.floor(Date.now() / 1000)
    const batch: FakeBatch = {
      id: `batch-${batches.length + 1}`,
      input_file_id,
      metadata,
      created_at,
      status: 'validating',
      polls: 0,
    }
    batches.push(batch)
    await fake.onBatchMade()
    return batch
  }

  async function lookAt(batch: FakeBatch): Promise<object> {
    batch.polls++
    if (batch.output_file_id !== undefined || batch.status === 'failed') return batch
    const end = fake.batchEnd(batch)
    if (end === undefined) return batch
    batch.status = end
    if (end === 'failed') {
      batch.errors = { data: [{ code: 'token_limit_exceeded', message: 'Enqueued token limit reached' }] }
      return batch
    }
    await answerLines(batch)
    return batch
  }

  async function answerLines(batch: FakeBatch): Promise<void> {
    const outputs: string[] = []
    const errors: string[] = []
    for (const line of files
      .get(batch.input_file_id)!
      .split('\n')
      .filter((text) => text !== '')) {
      const { custom_id, body } = JSON.parse(line) as { custom_id: string; body: FakeRequest }
      const script = await take(body, undefined)
      if (script.kind === 'missing') continue
      if (script.kind === 'status') {
        const response = { status_code: script.status, body: script.body ?? problem(script.status).body }
        errors.push(JSON.stringify({ custom_id, response, error: null }))
        continue
      }
      paid.set(promptOf(body), (paid.get(promptOf(body)) ?? 0) + 1)
      const response = { status_code: 200, body: JSON.parse(bodyFor(body, script)) as unknown }
      outputs.push(JSON.stringify({ custom_id, response, error: null }))
    }
    batch.output_file_id = store(outputs)
    if (errors.length > 0) batch.error_file_id = store(errors)
  }

  function store(lines: readonly string[]): string {
    const id = `file-${files.size + 1}`
    files.set(id, lines.map((line) => `${line}\n`).join(''))
    return id
  }

  return fake
}

/** Says that the shopper is the first persona of the set, for sure. */
export function answerFirstPersona(request: FakeRequest): Script {
  return { kind: 'answer', value: labelOf(request, {}) }
}

/** A proper answer about the shopper that was asked about, with some of it changed. */
export function labelOf(request: FakeRequest, changes: Record<string, unknown>): object {
  return {
    shopper: shopperIn(request),
    rationale: 'It says so in the titles.',
    unrepresentable: false,
    personas: [{ persona: personasIn(request)[0], probability: 0.9 }],
    ...changes,
  }
}

export function personasIn({ messages }: FakeRequest): string[] {
  return [...messages[0]!.content.matchAll(/^- ("[^\n]*?"): /gm)].map(
    ([, name]) => JSON.parse(name!) as string,
  )
}

export function shopperIn({ messages }: FakeRequest): string {
  return /^Shopper (\S+) bought/.exec(messages[1]!.content)![1]!
}

function promptOf({ messages }: FakeRequest): string {
  return messages.map(({ content }) => content).join('\n')
}

function bodyFor(request: FakeRequest, script: Script): string {
  if (script.kind === 'body') return script.text
  const content =
    script.kind === 'answer'
      ? JSON.stringify(script.value)
      : script.kind === 'choice'
        ? (script.content ?? null)
        : null
  const choice = {
    index: 0,
    message: { role: 'assistant', content, refusal: (script.kind === 'choice' && script.refusal) || null },
    finish_reason: (script.kind === 'choice' && script.finish) || 'stop',
  }
  return JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model: request.model,
    choices: script.kind === 'no_choices' ? [] : [choice],
    ...(script.kind === 'answer' && script.usage === 'none'
      ? {}
      : { usage: { prompt_tokens: 400, completion_tokens: 50, total_tokens: 450 } }),
  })
}

type Reply = { readonly status: number; readonly headers?: Record<string, string>; readonly body?: object }

function problem(status: number): { status: number; body: object } {
  return { status, body: { error: { message: `made to fail with ${status}`, type: 'fake', code: null } } }
}

function send(response: ServerResponse, { status, headers, body = {} }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
