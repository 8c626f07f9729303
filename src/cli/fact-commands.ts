/** The commands that print facts and change nothing. */
import { Argument, type Command, Option } from 'commander';
import { SHELLS, type Shell } from './completion/shells.js';
import { examples, integer, seconds } from './options.js';

export function addFactCommands(program: Command, end: (exitCode: number) => void): void {
  program
    .command('doctor')
    .summary('what is missing on this machine, and what to do')
    .description('Says what this machine and this user can do, and what to do about what is missing.')
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', '\nExit code: 0 nothing is missing, 3 warnings, 4 errors. It changes nothing.')
    .addHelpText('after', examples('tapfd doctor', 'tapfd doctor --json'))
    .action(async (options: { json?: true }) => {
      const { doctor } = await import('./doctor/command.js');
      end(await doctor(options));
    });

  program
    .command('list')
    .summary('the devices, who holds them, and what is wrong')
    .description(
      'Lists TUN, TAP and macvtap devices: their bridge or lower device, who holds them, what is wrong.',
    )
    .argument('[NAME...]', 'only devices of these names')
    .option('-a, --all', 'those of all network namespaces')
    .addOption(new Option('-t, --tree', 'as a tree').conflicts('json'))
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('tapfd list', 'sudo tapfd list --all --tree', 'tapfd list tap0 --json'))
    .action(async (names: string[], options: { all?: true; tree?: true; json?: true }) => {
      const { list } = await import('./list/command.js');
      end(await list(names, options));
    });

  program
    .command('map')
    .summary('a picture of namespaces, wires and guests')
    .description(
      'Draws namespaces, bridges, wires, devices and guests: as SVG for a document, or as Mermaid.',
    )
    .addOption(new Option('--svg', 'SVG, for light and dark (default)').conflicts('mermaid'))
    .option('--mermaid', 'a Mermaid flowchart')
    .option('--here', 'only this network namespace')
    .option('-o, --output <FILE>', 'write to this file')
    .addHelpText('after', examples('sudo tapfd map -o network.svg', 'sudo tapfd map --mermaid'))
    .action(async (options: { mermaid?: true; here?: true; output?: string }) => {
      const { map } = await import('./map/command.js');
      end(await map(options));
    });

  program
    .command('top')
    .summary('rates, drops and queues, live')
    .description('Shows rates, drops and queue fill of devices. q or Ctrl-C ends it.')
    .argument('[NAME...]', 'only devices of these names')
    .option('-a, --all', 'those of all network namespaces')
    .option('-i, --interval <SECONDS>', 'time between two looks', seconds(0.1, 3600), 1)
    .option('-n, --count <COUNT>', 'end after so many looks', integer(1, Number.MAX_SAFE_INTEGER))
    .option('--json', 'print each look as one line of JSON')
    .addHelpText('after', examples('sudo tapfd top --all', 'tapfd top tap0 --count 10 --json'))
    .action(
      async (names: string[], options: { all?: true; interval: number; count?: number; json?: true }) => {
        const { top } = await import('./top/command.js');
        end(await top(names, options));
      },
    );

  program
    .command('completion')
    .summary('completion for bash, zsh or fish')
    .description('Prints a script with which a shell completes the commands and options of tapfd.')
    .addArgument(new Argument('<SHELL>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      examples(
        'source <(tapfd completion bash)              # in ~/.bashrc',
        'source <(tapfd completion zsh)               # in ~/.zshrc, after compinit',
        'tapfd completion fish | source               # in ~/.config/fish/config.fish',
      ),
    )
    .action(async (shell: Shell) => {
      const { completion } = await import('./completion/command.js');
      end(completion(shell, program));
    });
}
