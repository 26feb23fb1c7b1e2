// The routes of jobs: how they fare, and what people may do about it.

import { environmentPrefix, json, maxBodyBytes, object, type Row, textIn } from './route.ts'

const job = { type: 'string', minLength: 1, maxLength: 200, description: 'The name of a job' }
const limit = { type: 'integer', minimum: 1, maximum: 1000, default: 100 }
const place = {
  type: 'string',
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d{1,3})?Z(?: .{1,200})?$',
  description: 'What a page gave as `next`, or a time in UTC alone, such as 2026-01-31T06:00:00Z',
}

export const rows: readonly Row[] = [
  {
    id: 'listJobs',
    method: 'GET',
    path: `${environmentPrefix}/jobs`,
    summary: 'Jobs by name: state with its reason, next and last run',
    role: 'viewer',
    scope: 'jobs',
    query: object({ limit, after: job }),
    answer: json('{ jobs, next }'),
    run: ({ query }, { jobs }) => jobs.list({ limit: Number(query.limit), ...textIn(query, 'after') }),
  },
  {
    id: 'getJob',
    method: 'GET',
    path: `${environmentPrefix}/jobs/{job}`,
    summary: 'A job with its next times and its last runs',
    role: 'viewer',
    scope: 'jobs',
    answer: json('The job'),
    run: ({ params }, { jobs }) => jobs.show(String(params.job)),
  },
  {
    id: 'listRuns',
    method: 'GET',
    path: `${environmentPrefix}/job-runs`,
    summary: 'Runs of all jobs or of one, latest nominal time first',
    role: 'viewer',
    scope: 'jobs',
    query: object({ limit, job, after: place }),
    answer: json('{ runs, next }'),
    run: ({ query }, { jobs }) => jobs.runs({ limit: Number(query.limit), ...textIn(query, 'job'), ...textIn(query, 'after') }),
  },
  {
    id: 'runJob',
    method: 'POST',
    path: `${environmentPrefix}/jobs/run`,
    summary: 'Runs a job at once, however it is paused',
    role: 'operator',
    scope: 'jobs',
    body: { schema: object({ job }, ['job']), maxBytes: maxBodyBytes },
    answer: json('{ run }'),
    audit: { target: ({ body }) => String(body.job) },
    run: ({ body, actor }, { jobs }) => jobs.run(String(body.job), actor),
  },
  {
    id: 'pauseJob',
    method: 'POST',
    path: `${environmentPrefix}/jobs/pause`,
    summary: 'Lets no time of a job lead to a run until it is resumed; a note says why',
    role: 'operator',
    scope: 'jobs',
    body: { schema: object({ job, note: { type: 'string', minLength: 1, maxLength: 1000 } }, ['job', 'note']), maxBytes: maxBodyBytes },
    answer: json('The job'),
    audit: { target: ({ body }) => String(body.job), detail: ({ body }) => ({ note: body.note ?? null }) },
    run: ({ body, actor }, { jobs }) => jobs.pause({ job: String(body.job), note: String(body.note) }, actor),
  },
  {
    id: 'resumeJob',
    method: 'POST',
    path: `${environmentPrefix}/jobs/resume`,
    summary: 'Ends the pause of a job; times that passed meanwhile are not made up for',
    role: 'operator',
    scope: 'jobs',
    body: { schema: object({ job }, ['job']), maxBytes: maxBodyBytes },
    answer: json('The job'),
    audit: { target: ({ body }) => String(body.job) },
    run: ({ body, actor }, { jobs }) => jobs.resume(String(body.job), actor),
  },
]
