import { Command } from 'commander'
import { isObject, type Json, type JsonObject } from '../schema/json.ts'
import { readLimit } from './arguments.ts'
import { duration, printable, table } from './print.ts'
import { exit, printJson, type Shared, talksToServer, withInput, withServer } from './run.ts'

interface Paged extends Shared {
  readonly limit: string
}

/** Most that a listing of jobs asks for at once. */
const pageSize = 1000

export function jobsCommand(): Command {
  const command = new Command('jobs')
  command.description('jobs: how they fare, and what to do about it')
  talksToServer(command.command('list', { isDefault: true }))
    .description('every job with its state, its next time and its last run')
    .addHelpText('after', '\nExample:\n  plumb jobs')
    .action((options: Shared) =>
      withServer(options, 'Reading the jobs', async client => {
        const jobs: JsonObject[] = []
        for (let after = ''; ; ) {
          const page = await client.get(`jobs?${new URLSearchParams({ limit: String(pageSize), ...(after === '' ? {} : { after }) })}`)
          jobs.push(...rowsIn(page.jobs))
          if (typeof page.next !== 'string') break
          after = page.next
        }
        if (options.json) printJson({ jobs })
        else process.stdout.write(table([['JOB', 'STATE', 'NEXT', 'LAST', 'WHY'], ...jobs.map(jobCells)]))
        return exit.done
      }),
    )
  talksToServer(command.command('show'))
    .description('a job with its next times and its last runs')
    .argument('<job>', 'name of the job')
    .addHelpText('after', '\nExample:\n  plumb jobs show invoices.send')
    .action((job: string, options: Shared) =>
      withServer(options, 'Reading the job', async client => {
        const found = await client.get(`jobs/${encodeURIComponent(job)}`)
        if (options.json) printJson(found)
        else process.stdout.write(shown(found))
        return exit.done
      }),
    )
  talksToServer(command.command('runs'))
    .description('runs of a job, or of all, latest first')
    .argument('[job]', 'name of the job')
    .option('--limit <n>', 'at most so many', '20')
    .addHelpText('after', '\nExample:\n  plumb jobs runs invoices.send --limit 5')
    .action((job: string | undefined, options: Paged) =>
      withInput(
        options,
        'Reading the runs',
        () => new URLSearchParams({ limit: String(readLimit(options.limit)), ...(job === undefined ? {} : { job }) }),
        async (client, query) => {
          const found = await client.get(`job-runs?${query}`)
          if (options.json) printJson(found)
          else process.stdout.write(runTable(rowsIn(found.runs)))
          return exit.done
        },
      ),
    )
  talksToServer(command.command('run'))
    .description('runs a job at once')
    .argument('<job>', 'name of the job')
    .addHelpText('after', '\nExample:\n  plumb jobs run invoices.send')
    .action((job: string, options: Shared) =>
      asked(options, 'run', { job }, found => {
        const run = isObject(found.run) ? found.run : {}
        return `${job} runs, with the correlation id ${run.cid}; plumb jobs runs ${job} tells how it ends\n`
      }),
    )
  talksToServer(command.command('pause'))
    .description('lets no time of a job lead to a run until it is resumed')
    .argument('<job>', 'name of the job')
    .requiredOption('--note <text>', 'why, for those who wonder')
    .addHelpText('after', "\nExample:\n  plumb jobs pause invoices.send --note 'the ledger moves, until Monday'")
    .action((job: string, options: Shared & { readonly note: string }) =>
      asked(options, 'pause', { job, note: options.note }, () => `${job} is paused; plumb jobs resume ${job} ends that\n`),
    )
  talksToServer(command.command('resume'))
    .description('ends the pause of a job; times that passed meanwhile are not made up for')
    .argument('<job>', 'name of the job')
    .addHelpText('after', '\nExample:\n  plumb jobs resume invoices.send')
    .action((job: string, options: Shared) =>
      asked(options, 'resume', { job }, found => `${job} is next due at ${found.next ?? 'no time'}\n`),
    )
  return command
}

async function asked(options: Shared, what: string, body: JsonObject, said: (answer: JsonObject) => string): Promise<void> {
  await withServer(options, 'Asking the scheduler', async client => {
    const answer = await client.post(`jobs/${what}`, body)
    if (options.json) printJson(answer)
    else process.stdout.write(printable(said(answer)))
    return exit.done
  })
}

function jobCells(job: JsonObject): string[] {
  const last = isObject(job.last) ? `${job.last.state} ${job.last.nominal}` : ''
  return [String(job.name), String(job.state), String(job.next ?? ''), last, String(job.condition ?? '')]
}

function shown(job: JsonObject): string {
  const next = Array.isArray(job.nextRuns) ? job.nextRuns.map(String) : []
  const facts = [
    ['job', String(job.name)],
    ['calls', String(job.service)],
    ['state', [job.state, job.condition].filter(part => part !== null).join(': ')],
    ['runs', String(job.runs)],
    ...next.map((at, index) => [index === 0 ? 'next' : '', at]),
  ]
  return `${table(facts)}\n${runTable(rowsIn(job.lastRuns))}`
}

function runTable(runs: readonly JsonObject[]): string {
  return table([
    ['JOB', 'DUE', 'STATE', 'ORIGIN', 'ATTEMPT', 'LATE', 'TOOK', 'WHY'],
    ...runs.map(run => [
      String(run.job),
      String(run.nominal),
      Number(run.count) > 1 ? `${run.state} (${run.count})` : String(run.state),
      run.by === null ? String(run.origin) : `${run.origin} (${run.by})`,
      String(run.attempt),
      typeof run.latenessMs === 'number' ? duration(run.latenessMs) : '',
      typeof run.elapsedMs === 'number' ? duration(run.elapsedMs) : '',
      String(run.reason ?? ''),
    ]),
  ])
}

function rowsIn(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
