import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        // Pure and loopback tests share one process.
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/long/**'],
          pool: 'threads',
          isolate: false,
          maxWorkers: 1,
          testTimeout: 30_000,
        },
      },
      {
        test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], pool: 'forks', maxWorkers: 1, testTimeout: 180_000, hookTimeout: 60_000 },
      },
      {
        test: { name: 'long', include: ['test/long/**/*.test.ts'], pool: 'forks', maxWorkers: 1, testTimeout: 1_200_000 },
      },
    ],
  },
})
