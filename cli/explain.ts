import { Command } from 'commander'
import { isObject } from '../schema/json.ts'
import { readRef } from './arguments.ts'
import { table } from './print.ts'
import { exit, printJson, type Shared, talksToServer, withInput } from './run.ts'

export function explainCommand(): Command {
  return talksToServer(new Command('explain'))
    .description('for every value of a resource: the file, line, layer and variables it comes from')
    .argument('<ref>', 'kind/name')
    .addHelpText('after', '\nExample:\n  plumb explain channel_rest/orders')
    .action((text: string, options: Shared) =>
      withInput(
        options,
        'Explaining',
        () => readRef(text),
        async (client, ref) => {
          const found = await client.get(`explain/${ref.split('/').map(encodeURIComponent).join('/')}`)
          if (options.json) printJson(found)
          else {
            const leaves = Array.isArray(found.leaves) ? found.leaves.filter(isObject) : []
            process.stdout.write(
              table([
                ['FIELD', 'VALUE', 'FROM'],
                ...leaves.map(leaf => [String(leaf.pointer), JSON.stringify(leaf.value), whence(leaf.from)]),
              ]),
            )
          }
          return exit.done
        },
      ),
    )
}

function whence(from: unknown): string {
  if (!isObject(from) || from.kind === 'default') return 'default'
  const at = isObject(from.at) ? `${from.at.path}:${from.at.line}:${from.at.column}` : ''
  const variables = Array.isArray(from.variables) && from.variables.length > 0 ? `, ${from.variables.join(', ')}` : ''
  return `${at} (${from.layer}${variables})`
}
