// Runs the built tests: `node scripts/test.mjs [part of a path…]`. Only what stands in test/ is run, not leftovers of dist/.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const wanted = process.argv.slice(2)
const files = readdirSync('test', { recursive: true })
  .map(String)
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .map((file) => join('dist', 'test', file.replace(/\.ts$/, '.js')))
  .sort()
if (files.length === 0) {
  console.error(`no test matches ${wanted.join(' ')}`)
  process.exit(2)
}
// long suites first would be better still; two at a time keeps both cores busy (three starve the brokers)
const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...files], {
  stdio: 'inherit',
})
process.exit(status ?? 1)
