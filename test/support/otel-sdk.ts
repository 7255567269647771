// Loaded before Kindred as an operator would (`node --import`): OpenTelemetry's SDK, sending to OTEL_EXPORTER_OTLP_ENDPOINT.
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

const exporter = new OTLPTraceExporter()
new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] }).register()
