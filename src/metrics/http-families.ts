// What Prometheus is told of requests, in every process.
import { type Family, gauge, histogram } from './families.ts'
import type { HttpMeter } from './http-meter.ts'

export function httpFamilies(meter: HttpMeter): Family[] {
  return [
    histogram(
      'kindred_http_request_duration_seconds',
      'from a request’s headers to the end of its answer, by route and status; 499: the client went before',
      () =>
        [...meter.routes()].flatMap(({ method, route, byStatus }) =>
          Array.from(byStatus, ([code, times]) => ({
            histogram: times,
            labels: { method, route, code: String(code) },
          })),
        ),
    ),
    gauge(
      'kindred_http_requests_in_flight',
      'requests that are being answered, change streams not counted',
      () => meter.inFlight,
    ),
    gauge('kindred_change_streams', 'change streams (SSE) that are open', () => meter.streams()),
  ]
}
