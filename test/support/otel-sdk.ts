// Loaded before Kindred as an operator would (`node --import`): OpenTelemetry's SDK, sending to OTEL_EXPORTER_OTLP_ENDPOINT,
// and the hook on `require` that its instrumentations come with.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { Hook } from 'require-in-the-middle'

new Hook(null, (exported) => exported)
const exporter = new OTLPTraceExporter()
new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] }).register()
