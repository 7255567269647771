// Truth experiments on the real data: `npm run truth -- sampling|streaming|households [--json]`. Not tests: they take minutes.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onlineRetail } from './data.ts'
import { compareSampling } from './sampling.ts'

const dir = mkdtempSync(join(tmpdir(), 'kindred-truth-'))
try {
  const graph = await onlineRetail(dir)
  const rows = compareSampling(graph, { budgets: [0.02, 0.05, 0.1, 0.2], seeds: [1, 2, 3, 4, 5, 6, 7, 8] })
  for (const { budget, prototypes, methods } of rows)
    for (const [method, { mean, spread }] of Object.entries(methods))
      console.log(
        budget,
        prototypes,
        method.padEnd(8),
        mean.micro_f1.toFixed(4),
        '±',
        spread.micro_f1.toFixed(4),
        mean.macro_auc.toFixed(4),
        '±',
        spread.macro_auc.toFixed(4),
        'ece',
        mean.ece.toFixed(4),
        mean.macro_f1.toFixed(4),
      )
} finally {
  rmSync(dir, { recursive: true, force: true })
}
