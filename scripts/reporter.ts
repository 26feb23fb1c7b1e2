// The closing line of a test run, counted by the runner: "N passed, N failed", alone on the last line.

import type { Reporter, TestModule } from 'vitest/node'

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) count[test.result().state] += 1
      if (module.state() === 'failed' && module.children.size === 0) count.failed += 1
    }
    const failed = count.failed + count.pending + errors.length
    const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
    // After the runner's own summary, which is written in the same turn.
    process.on('exit', () => process.stdout.write(`${count.passed} passed, ${failed} failed${skipped}\n`))
  }
}
