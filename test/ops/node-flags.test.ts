// Kindred is started under the same flags of Node by whatever starts it, and Node takes them.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { nodeFlags } from '../../scripts/node-flags.ts'

const flags = nodeFlags.join(' ')

describe('flags of Node', () => {
  it('are the same in the command, in the script of npm and in the image', () => {
    const [first] = readFileSync('src/cli/main.ts', 'utf8').split('\n')
    assert.equal(first, `#!/usr/bin/env -S node ${flags}`)
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>
    }
    assert.equal(scripts.kindred, `node ${flags} dist/src/cli/main.js`)
    const entry = /^ENTRYPOINT (.*)$/m.exec(readFileSync('Dockerfile', 'utf8'))![1]!
    assert.deepEqual(JSON.parse(entry), ['node', ...nodeFlags, '/app/dist/src/cli/main.js'])
  })

  it('give young objects their room from the start, and collections leave it', () => {
    const script = `
      const room = () => require('node:v8').getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size
      const atStart = room()
      for (let n = 0; n < 3; n++) gc()
      console.log(atStart, room())`
    const roomUnder = (under: readonly string[]) => {
      const run = spawnSync(process.execPath, [...under, '--expose-gc', '-e', script], { encoding: 'utf8' })
      assert.equal(run.status, 0, run.stderr)
      return run.stdout.trim().split(' ').map(Number)
    }
    const bytes = Number(/--min-semi-space-size=(\d+)/.exec(flags)![1]) << 20
    for (const room of roomUnder(nodeFlags)) assert.ok(room >= bytes, `${room} bytes`)
    assert.ok(roomUnder([])[1]! < bytes, 'without, it is less')
  })
})
