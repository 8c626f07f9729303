/** Completion for fish: one line for each thing that can be completed. */
import type { CompletedCommand, CompletedOption, ValueKind } from './tree.js';

export function fishScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const lines = [
    '# Completion of tapfd for fish: tapfd completion fish | source',
    'complete -c tapfd -f',
    `complete -c tapfd -n __fish_use_subcommand -l help -s h -d ${quoted('show help')}`,
    `complete -c tapfd -n __fish_use_subcommand -l version -s V -d ${quoted('print the version')}`,
    ...commands.map(
      ({ name, description }) =>
        `complete -c tapfd -n ${quoted(`not __fish_seen_subcommand_from ${names}`)} -a ${name} -d ${quoted(description)}`,
    ),
    ...commands.flatMap(({ name, options, value }) => [
      ...options.map((option) => optionLine(name, option)),
      ...argumentLines(name, value),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

function optionLine(command: string, { names, description, value, isOptional }: CompletedOption): string {
  const words = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  // One that may be left out is no separate word for fish.
  const takes =
    value.type === 'none' || isOptional ? '' : ` ${value.type === 'file' ? '-r' : '-x'}${valuesOf(value)}`;
  return `complete -c tapfd ${onlyFor(command)} ${words.join(' ')}${takes} -d ${quoted(description)}`;
}

function argumentLines(command: string, value: ValueKind): string[] {
  if (value.type === 'none') return [];
  if (value.type === 'command') {
    return [`complete -c tapfd ${onlyFor(command)} -a '(__fish_complete_subcommand --fcs-skip=2)'`];
  }
  return [`complete -c tapfd ${onlyFor(command)}${valuesOf(value)}`];
}

function valuesOf(value: ValueKind): string {
  switch (value.type) {
    case 'choices':
      return ` -a ${quoted(value.choices.join(' '))}`;
    case 'file':
      return ' -F';
    case 'link':
      return ` -a '(command ls /sys/class/net)'`;
    default:
      return '';
  }
}

function onlyFor(command: string): string {
  return `-n ${quoted(`__fish_seen_subcommand_from ${command}`)}`;
}

/** For the shell: between single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;
}
