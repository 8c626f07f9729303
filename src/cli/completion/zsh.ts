/** Completion for zsh, by its own _arguments. */
import type { CompletedCommand, CompletedOption, ValueKind } from './tree.js';

export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef tapfd
# Completion of tapfd for zsh: source <(tapfd completion zsh), after compinit
_tapfd() {
  local context state state_descr line
  typeset -A opt_args
  _arguments -C '(- *)--help[show help]' '(- *)--version[print the version]' '1: :->command' '*:: :->arguments'
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, description }) => `        ${quoted(`${name}:${description}`)}`).join('\n')}
      )
      _describe command commands
      ;;
    arguments)
      case $words[1] in
${commands.map(commandCase).join('\n')}
      esac
      ;;
  esac
}
_tapfd_links() {
  local -a links=( /sys/class/net/*(N:t) )
  compadd -a links
}
compdef _tapfd tapfd
`;
}

function commandCase({ name, options, value }: CompletedCommand): string {
  const words = [...options.flatMap(optionWords), ...argumentWords(value)];
  return `        ${name})\n          _arguments ${words.join(' ')}\n          ;;`;
}

function optionWords({ names, description, value, isOptional }: CompletedOption): string[] {
  const text = description.replaceAll(/[[\]:]/g, ' ');
  return names.map((name) => {
    const takes = value.type === 'none' ? '' : `${isOptional ? '::' : ':'}value:${actionOf(value)}`;
    // Devices may be given several times.
    return quoted(`${isOptional ? '*' : ''}${name}[${text}]${takes}`);
  });
}

function argumentWords(value: ValueKind): string[] {
  if (value.type === 'none') return [];
  return value.type === 'command' ? [quoted('*:::command:_normal')] : [quoted(`*:value:${actionOf(value)}`)];
}

function actionOf(value: ValueKind): string {
  switch (value.type) {
    case 'choices':
      return `(${value.choices.join(' ')})`;
    case 'file':
      return '_files';
    case 'link':
      return '_tapfd_links';
    default:
      return ' ';
  }
}

/** For the shell: between single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
