// What Prometheus scrapes.

import type { Row } from './route.ts'

export const rows: readonly Row[] = [
  {
    id: 'metrics',
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics of all processes, for Prometheus',
    role: 'viewer',
    scope: 'metrics',
    answer: {
      description: 'The text format',
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      schema: { type: 'string' },
    },
    run: (_call, { metrics }) => metrics.text(),
  },
]
