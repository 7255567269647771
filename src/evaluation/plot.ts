// Plots as SVG text: a reliability diagram, and lines over a few marks. No library: a plot is a screen of text.
import type { Bin } from './metrics.ts'

const size = { width: 480, height: 480, left: 56, bottom: 48, top: 32, right: 16 }

/** Observed frequency against probability; circles as large as their share of the answers; the diagonal is perfect. */
export function reliabilityPlot(
  bins: readonly Bin[],
  { title, ece }: { title: string; ece: number },
): string {
  const total = bins.reduce((sum, { count }) => sum + count, 0)
  const x = (value: number) => size.left + value * (size.width - size.left - size.right)
  const y = (value: number) => size.height - size.bottom - value * (size.height - size.bottom - size.top)
  const shown = bins.filter(({ count }) => count > 0)
  const line = shown.map((bin) => `${at(x(bin.mean_probability))},${at(y(bin.observed))}`).join(' ')
  const circles = shown.map(
    ({ count, mean_probability: p, observed }) =>
      `<circle cx="${at(x(p))}" cy="${at(y(observed))}" r="${at(3 + 14 * Math.sqrt(count / total))}" fill="#2563eb" fill-opacity="0.55"><title>${count} answers: said ${p.toFixed(3)}, was ${observed.toFixed(3)}</title></circle>`,
  )
  return document(`${title} · ECE ${ece.toFixed(4)}`, [
    ...axes({
      x,
      y,
      xLabel: 'probability that was said',
      yLabel: 'how often it was so',
      xTicks: tenths,
      yTicks: tenths,
    }),
    `<line x1="${at(x(0))}" y1="${at(y(0))}" x2="${at(x(1))}" y2="${at(y(1))}" stroke="#9ca3af" stroke-dasharray="4 4"/>`,
    `<polyline points="${line}" fill="none" stroke="#2563eb" stroke-width="1.5"/>`,
    ...circles,
  ])
}

export type Series = { readonly name: string; readonly values: readonly (number | null)[] }

const colours = ['#2563eb', '#dc2626', '#059669', '#d97706', '#7c3aed', '#0891b2']

/** Lines over named marks, evenly spaced; a null leaves a gap. The y axis covers the values, to tenths. */
export function linePlot(
  marks: readonly string[],
  series: readonly Series[],
  { title, xLabel, yLabel }: { title: string; xLabel: string; yLabel: string },
): string {
  const values = series.flatMap(({ values }) => values.filter((value) => value !== null))
  const least = Math.floor(Math.min(...values) * 20) / 20
  const most = Math.ceil(Math.max(...values) * 20) / 20
  const reach = Math.max(most - least, 0.05)
  const x = (i: number) => size.left + ((i + 0.5) / marks.length) * (size.width - size.left - size.right)
  const y = (value: number) =>
    size.height - size.bottom - ((value - least) / reach) * (size.height - size.bottom - size.top)
  const ticks = Array.from({ length: Math.round(reach / 0.05) + 1 }, (_, i) => least + i * 0.05)
  const body = series.flatMap(({ name, values }, s) => {
    const colour = colours[s % colours.length]!
    const points = values.flatMap((value, i) => (value === null ? [] : [`${at(x(i))},${at(y(value))}`]))
    return [
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.map((point) => {
        const [cx, cy] = point.split(',')
        return `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`
      }),
      `<text x="${size.left + 12}" y="${size.top + 16 + s * 16}" fill="${colour}" font-size="12">${escaped(name)}</text>`,
    ]
  })
  return document(title, [
    ...axes({
      x: (i) => x(i),
      y,
      xLabel,
      yLabel,
      xTicks: marks.map((label, i) => ({ at: i, label })),
      yTicks: ticks.map((value) => ({ at: value, label: value.toFixed(2) })),
    }),
    ...body,
  ])
}

type Tick = { readonly at: number; readonly label: string }
const tenths: readonly Tick[] = Array.from({ length: 6 }, (_, i) => ({
  at: i / 5,
  label: (i / 5).toFixed(1),
}))

function axes({
  x,
  y,
  xLabel,
  yLabel,
  xTicks,
  yTicks,
}: {
  x: (value: number) => number
  y: (value: number) => number
  xLabel: string
  yLabel: string
  xTicks: readonly Tick[]
  yTicks: readonly Tick[]
}): string[] {
  const { width, height, left, bottom, top, right } = size
  return [
    `<rect x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}" fill="none" stroke="#d1d5db"/>`,
    ...xTicks.map(
      (tick) =>
        `<text x="${at(x(tick.at))}" y="${height - bottom + 18}" text-anchor="middle" font-size="12">${escaped(tick.label)}</text>`,
    ),
    ...yTicks.map(
      (tick) =>
        `<text x="${left - 8}" y="${at(y(tick.at) + 4)}" text-anchor="end" font-size="12">${escaped(tick.label)}</text>`,
    ),
    `<text x="${at((left + width - right) / 2)}" y="${height - 10}" text-anchor="middle" font-size="13">${escaped(xLabel)}</text>`,
    `<text transform="translate(14 ${at((top + height - bottom) / 2)}) rotate(-90)" text-anchor="middle" font-size="13">${escaped(yLabel)}</text>`,
  ]
}

function document(title: string, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" font-family="system-ui, sans-serif" fill="#111827">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="${size.left}" y="20" font-size="14" font-weight="600">${escaped(title)}</text>`,
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

function at(value: number): string {
  return value.toFixed(1)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
