/** What can be completed: the commands with their options, and what values these take. */
import type { Argument, Command, Option } from 'commander';

/** What a value is. */
export type ValueKind =
  | { readonly type: 'none' }
  | { readonly type: 'choices'; readonly choices: readonly string[] }
  | { readonly type: 'file' }
  /** A link of this namespace. */
  | { readonly type: 'link' }
  /** The words of another command. */
  | { readonly type: 'command' }
  | { readonly type: 'text' };

export interface CompletedOption {
  /** `-w` and `--write`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly value: ValueKind;
  /** The value may be left out. */
  readonly isOptional: boolean;
}

export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly CompletedOption[];
  /** What its arguments are. */
  readonly value: ValueKind;
}

/** All commands, `help` among them, with the options that each takes. */
export function completionTree(program: Command): CompletedCommand[] {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    description: command.summary(),
    options: [...command.options.map(optionOf), HELP],
    value: argumentOf(command.registeredArguments[0]),
  }));
  const names = commands.map(({ name }) => name);
  const help = { name: 'help', description: 'show help for a command', options: [], value: choices(names) };
  return [...commands, help];
}

const HELP: CompletedOption = {
  names: ['-h', '--help'],
  description: 'show help',
  value: { type: 'none' },
  isOptional: false,
};

function optionOf(option: Option): CompletedOption {
  const { short, long, description, argChoices, required, optional, flags } = option;
  const names = [short, long].filter((name) => name !== undefined);
  const takes = required || optional;
  const value: ValueKind = !takes
    ? { type: 'none' }
    : argChoices
      ? choices(argChoices)
      : { type: flags.endsWith('<FILE>') ? 'file' : 'text' };
  return { names, description, value, isOptional: optional };
}

function argumentOf(argument: Argument | undefined): ValueKind {
  if (argument === undefined) return { type: 'none' };
  if (argument.argChoices) return choices(argument.argChoices);
  return { type: argument.name() === 'COMMAND' ? 'command' : 'link' };
}

function choices(of: readonly string[]): ValueKind {
  return { type: 'choices', choices: of };
}
