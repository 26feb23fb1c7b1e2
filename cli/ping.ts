import { Command } from 'commander'
import { readRef } from './arguments.ts'
import { printable } from './print.ts'
import { exit, printJson, type Shared, talksToServer, withInput } from './run.ts'

export function pingCommand(): Command {
  return talksToServer(new Command('ping'))
    .description('checks the far end of a connection from the server; ends with 1 where it does not answer')
    .argument('<ref>', 'kind/name of a connection')
    .addHelpText('after', '\nExample:\n  plumb ping sql/Billing')
    .action((text: string, options: Shared) =>
      withInput(
        options,
        `Pinging ${text}`,
        () => readRef(text),
        async (client, ref) => {
          const answer = await client.post('ping', { ref })
          if (options.json) printJson(answer)
          else
            process.stdout.write(
              answer.ok
                ? `${printable(ref)} answered in ${answer.elapsedMs} ms\n`
                : `${printable(ref)} does not answer: ${printable(String(answer.reason))}\n`,
            )
          return answer.ok ? exit.done : exit.failed
        },
      ),
    )
}
