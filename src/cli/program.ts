/** The command tree: what is parsed, what help says, and what completion offers. */
import { Command, CommanderError, type Option } from 'commander';
import { addFactCommands } from './fact-commands.js';
import { addFrameCommands } from './frame-commands.js';
import { EXIT } from './terminal/exit-codes.js';
import { reportFailure } from './terminal/failure.js';
import { endWithReader } from './terminal/output.js';
import { styleFor, widthFor } from './terminal/style.js';

/** @returns The exit code. */
export async function runProgram(args: readonly string[]): Promise<number> {
  endWithReader();
  let exitCode: number = EXIT.ok;
  const program = makeProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    const [command = ''] = args;
    if (error instanceof CommanderError) return exitCodeOfParser(error, command);
    return reportFailure(command, error);
  }
}

/** The parser has printed help, or what is wrong. The code 2 of `tapfd exec` would be that of its command. */
function exitCodeOfParser({ exitCode }: CommanderError, command: string): number {
  if (exitCode === 0) return EXIT.ok;
  return command === 'exec' ? EXIT.notStarted : EXIT.usage;
}

/** @param end - Called with the exit code of the command that ran. */
export function makeProgram(end: (exitCode: number) => void): Command {
  const program = new Command('tapfd')
    .description('Linux TUN, TAP and macvtap devices: what is there, what is missing, frames in and out.')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [COMMAND]', 'show help for a command')
    // main.ts prints it, without this file.
    .option('-V, --version', 'print the version')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneLine(text)) })
    .configureHelp(helpStyle())
    .addHelpText('after', '\ntapfd COMMAND --help says more about each.');
  addFactCommands(program, end);
  addFrameCommands(program, end);
  return program;
}

/** Without a command, the parser gives help for an error. */
function oneLine(text: string): string {
  return text.replace(/^error: /, 'tapfd: ').replace(/\n\(Did you mean/, ' (Did you mean');
}

function helpStyle() {
  const { bold, cyan } = styleFor(process.stdout);
  return {
    helpWidth: Math.min(100, widthFor(process.stdout)),
    subcommandTerm: (command: Command) => command.name(),
    optionDescription,
    styleTitle: bold,
    styleSubcommandTerm: cyan,
    styleOptionTerm: cyan,
    styleArgumentTerm: cyan,
  };
}

/** The parser's own adds presets. */
function optionDescription({ description, argChoices, defaultValue }: Option): string {
  const notes = [
    ...(argChoices ? [argChoices.join(', ')] : []),
    ...(defaultValue === undefined ? [] : [`default ${defaultValue}`]),
  ];
  return notes.length === 0 ? description : `${description} (${notes.join('; ')})`;
}
