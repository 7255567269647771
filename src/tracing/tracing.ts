// Traces, by OpenTelemetry's API alone: the SDK is the operator's own, loaded before Kindred (`node --import`), in this and
// in every thread that is started. Without one nothing is made, and nothing costs anything.
import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'

/** How long an end waits for spans to be sent. */
const flushMsMax = 3_000

/** Where there is an SDK; its sampler decides what becomes of each span. */
export const tracer: Tracer | undefined = tracerOfSdk()

/** Without an SDK spans have no id. The probe is never ended, so no SDK sends it. */
function tracerOfSdk(): Tracer | undefined {
  const found = trace.getTracer('kindred')
  return isSpanContextValid(found.startSpan('kindred.probe', { root: true }).spanContext())
    ? found
    : undefined
}

export type Spanned = {
  readonly span: Span
  /** In which it is the parent of what begins. */
  readonly within: Context
}

/** Begins a span below `parent`, or below what runs now; undefined without an SDK. */
export function begin(
  name: string,
  {
    attributes,
    parent,
    kind = SpanKind.INTERNAL,
  }: { attributes?: Attributes; parent?: Context | undefined; kind?: SpanKind } = {},
): Spanned | undefined {
  if (tracer === undefined) return undefined
  const within = parent ?? context.active()
  const span = tracer.startSpan(name, { kind, ...(attributes === undefined ? {} : { attributes }) }, within)
  return { span, within: trace.setSpan(within, span) }
}

/** Ends a span; with `error`, as one that failed. */
export function end(spanned: Spanned | undefined, error?: string): void {
  if (spanned === undefined) return
  if (error !== undefined) spanned.span.setStatus({ code: SpanStatusCode.ERROR, message: error })
  spanned.span.end()
}

/**
 * What the span of a request goes below: what its headers continue (W3C traceparent, or what the SDK was told to read),
 * unless an instrumentation of the SDK's has made a span of the request already.
 */
export function continued(headers: object): { readonly parent: Context; readonly kind: SpanKind } {
  const now = context.active()
  if (trace.getSpan(now) !== undefined) return { parent: now, kind: SpanKind.INTERNAL }
  return { parent: propagation.extract(now, headers), kind: SpanKind.SERVER }
}

/** Headers by which a receiver continues the span. */
export function continuing(spanned: Spanned | undefined): Record<string, string> {
  const headers: Record<string, string> = {}
  if (spanned !== undefined) propagation.inject(spanned.within, headers)
  return headers
}

/** Sends what the SDK of this thread still holds: a thread that is ended sends nothing more. */
export async function flushTraces(): Promise<void> {
  if (tracer === undefined) return
  type Provider = { getDelegate?(): Provider; forceFlush?(): Promise<void> }
  const provider = trace.getTracerProvider() as Provider
  const flushed = (provider.getDelegate?.() ?? provider).forceFlush?.().catch(() => undefined) // it is a diagnosis
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, flushMsMax)
  })
  await Promise.race([flushed, late])
  clearTimeout(timer)
}

export { context, SpanKind }
