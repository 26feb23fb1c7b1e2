import { Command } from 'commander'
import { roles } from '../engine/admin/role.ts'
import { scopes } from '../engine/admin/scope.ts'
import { isObject, type JsonObject } from '../schema/json.ts'
import { printable, table } from './print.ts'
import { withProgress } from './progress.ts'
import { CommandError, connectBarely, exit, finish, printJson, type Shared, talksToServer, withInput, withServer } from './run.ts'

interface CreateOptions extends Shared {
  readonly name: string
  readonly role: string
  readonly scope?: readonly string[]
  readonly expires: string
}

interface ExchangeOptions extends Shared {
  readonly name: string
  readonly expires: string
}

const expiry = 'how long it lives: minutes, hours or days up to a year, such as 12h or 30d, or never'

export function tokenCommand(): Command {
  return new Command('token')
    .description('makes, lists and revokes the tokens of the admin API')
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(revokeCommand())
    .addCommand(exchangeCommand())
    .addCommand(whoamiCommand())
    .addCommand(resetFirstCommand())
    .addHelpText('after', '\nExample:\n  plumb token create --name ci --role deployer --scope plan --scope apply --expires 30d > ci.token')
}

function createCommand(): Command {
  return talksToServer(new Command('create'))
    .description('makes a token and prints it, this once; it may do no more than who makes it')
    .requiredOption('--name <name>', 'whose it is, for history and audit')
    .requiredOption('--role <role>', `what it may do at most: ${roles.join(', ')}`)
    .option('--scope <scope>', `narrows it, and may be repeated: ${scopes.join(', ')}`, (scope: string, before: string[] = []) => [
      ...before,
      scope,
    ])
    .option('--expires <duration>', expiry, '90d')
    .addHelpText('after', '\nExample:\n  plumb token create --name ci --role deployer --scope plan --scope apply --expires 30d > ci.token')
    .action((options: CreateOptions) =>
      withInput(
        options,
        'Making a token',
        () => readRequest(options),
        async (client, request) => tellMade(await client.post('tokens', request), options),
      ),
    )
}

function listCommand(): Command {
  return talksToServer(new Command('list'))
    .description('the tokens there are and were; never their text')
    .addHelpText('after', '\nExample:\n  plumb token list')
    .action((options: Shared) =>
      withServer(options, 'Reading the tokens', async client => {
        const found = await client.get('tokens')
        if (options.json) printJson(found)
        else {
          const rows = Array.isArray(found.tokens) ? found.tokens.filter(isObject) : []
          process.stdout.write(
            table([
              ['ID', 'NAME', 'ROLE', 'SCOPES', 'STATE', 'EXPIRES', 'LAST USED', 'MADE BY'],
              ...rows.map(row => [
                ...[String(row.id), String(row.name), String(row.role), scopesOf(row), String(row.state)],
                ...[String(row.expiresAt ?? 'never'), String(row.lastUsedAt ?? '-'), String(row.createdBy)],
              ]),
            ]),
          )
          if (found.first !== 'none')
            process.stderr.write(
              found.first === 'waiting'
                ? 'The first token waits to be exchanged: plumb token exchange\n'
                : 'The first token has expired: plumb token reset-first makes another\n',
            )
        }
        return exit.done
      }),
    )
}

function revokeCommand(): Command {
  return talksToServer(new Command('revoke'))
    .description('ends a token: its next request is refused, its event streams are cut')
    .argument('<id>', 'its id, as plumb token list shows it')
    .addHelpText('after', '\nExample:\n  plumb token revoke k3v9x0a4m2qd')
    .action((id: string, options: Shared) =>
      withInput(
        options,
        'Revoking the token',
        () => readId(id),
        async (client, wanted) => {
          const answer = await client.delete(`tokens/${wanted}`)
          if (options.json) printJson(answer)
          else process.stdout.write(`Revoked ${wanted}\n`)
          return exit.done
        },
      ),
    )
}

function exchangeCommand(): Command {
  return talksToServer(new Command('exchange'))
    .description('exchanges the token that the first start printed for one of an admin, once, and prints that')
    .option('--name <name>', 'whose it is, for history and audit', 'admin')
    .option('--expires <duration>', expiry, '90d')
    .addHelpText(
      'after',
      '\nExample:\n  plumb token exchange --server https://plumb.example.com:8183 --token-file first.token > admin.token',
    )
    .action((options: ExchangeOptions) =>
      finish(options, async () => {
        await using connection = await connectBarely(options)
        const { name, expires } = options
        const asked = connection.call('POST', '/api/v1/tokens/exchange', { name, expires })
        return tellMade(await withProgress('Exchanging the token', asked), options)
      }),
    )
}

function whoamiCommand(): Command {
  return talksToServer(new Command('whoami'))
    .description('who the server takes you for, and what you may')
    .addHelpText('after', '\nExample:\n  plumb token whoami --server https://plumb.example.com:8183 --token-file ci.token')
    .action((options: Shared) =>
      withServer(options, 'Asking who you are', async client => {
        const found = await client.get('whoami')
        if (options.json) printJson(found)
        else
          process.stdout.write(
            printable(
              `${found.name}, role ${found.role}, scopes ${scopesOf(found)}, over ${found.via === 'socket' ? 'the socket' : 'TCP'}\n`,
            ),
          )
        return exit.done
      }),
    )
}

function resetFirstCommand(): Command {
  return talksToServer(new Command('reset-first'))
    .description('voids the token of the first start and prints another, which can be exchanged once; over the socket alone')
    .addHelpText('after', '\nExample:\n  plumb token reset-first > first.token')
    .action((options: Shared) =>
      withServer(options, 'Making a first token', async client => {
        const answer = await client.post('tokens/first', {})
        if (options.json) printJson(answer)
        else process.stdout.write(`${printable(String(answer.token))}\n`)
        return exit.done
      }),
    )
}

/** The token alone on stdout, for a file; what it is on stderr. */
function tellMade(made: JsonObject, { json }: Shared): number {
  if (json) printJson(made)
  else {
    process.stderr.write(
      printable(
        `Token ${made.id} of "${made.name}", role ${made.role}, scopes ${scopesOf(made)}, expires ${made.expiresAt ?? 'never'}; it is shown this once\n`,
      ),
    )
    process.stdout.write(`${printable(String(made.token))}\n`)
  }
  return exit.done
}

function readRequest({ name, role, scope = [], expires }: CreateOptions): JsonObject {
  if (!roles.some(known => known === role)) throw usage('--role', role, roles)
  for (const one of scope) if (!scopes.some(known => known === one)) throw usage('--scope', one, scopes)
  return { name, role, scopes: scope, expires }
}

function readId(text: string): string {
  if (/^[0-9a-z]{1,64}$/.test(text)) return text
  throw new CommandError(`Cannot revoke ${JSON.stringify(text)} as it is no id of a token: plumb token list shows them`, {
    status: exit.usage,
  })
}

function usage(flag: string, given: string, accepted: readonly string[]): CommandError {
  return new CommandError(`Cannot use ${flag} as it is ${JSON.stringify(given)}: one of ${accepted.join(', ')} is accepted`, {
    status: exit.usage,
  })
}

function scopesOf(row: JsonObject): string {
  return Array.isArray(row.scopes) && row.scopes.length > 0 ? row.scopes.join(',') : 'all'
}
