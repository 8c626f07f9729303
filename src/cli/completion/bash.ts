/** Completion for bash: one function, which finds the command among the words. */
import type { CompletedCommand, CompletedOption, ValueKind } from './tree.js';

export function bashScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  return `# Completion of tapfd for bash: source <(tapfd completion bash)
_tapfd() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]} i
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then
    _tapfd_reply "$(compgen -W '${names} --help --version' -- "$current")"
    return
  fi
  # What follows -- belongs to the command that tapfd runs.
  for (( i = 2; i < COMP_CWORD; i++ )); do
    if [[ \${COMP_WORDS[i]} == -- ]]; then
      if (( COMP_CWORD == i + 1 )); then _tapfd_reply "$(compgen -c -- "$current")"
      else _tapfd_files "$current"; fi
      return
    fi
  done
  case $command in
${commands.map(commandCase).join('\n')}
  esac
}
# One word a line: names may hold what bash would expand.
_tapfd_reply() {
  [[ -z $1 ]] || mapfile -t COMPREPLY <<<"$1"
}
_tapfd_files() {
  compopt -o filenames 2>/dev/null
  _tapfd_reply "$(compgen -f -- "$1")"
}
_tapfd_links() {
  local path name
  for path in /sys/class/net/*; do
    name=\${path##*/}
    if [[ -d $path && $name == "$1"* ]]; then COMPREPLY+=( "$(printf %q "$name")" ); fi
  done
}
complete -F _tapfd tapfd
`;
}

function commandCase({ name, options, value }: CompletedCommand): string {
  const words = options.flatMap(({ names }) => names).join(' ');
  const values = options
    .filter((option) => option.value.type !== 'none' && !option.isOptional)
    .map(optionCase);
  const cases = values.length === 0 ? [] : ['      case $previous in', ...values, '      esac'];
  return [
    `    ${name})`,
    ...cases,
    `      if [[ $current == -* ]]; then _tapfd_reply "$(compgen -W '${words}' -- "$current")"; return; fi`,
    ...(value.type === 'none' ? [] : [`      ${replyOf(value)}`]),
    '      ;;',
  ].join('\n');
}

function optionCase({ names, value }: CompletedOption): string {
  const reply = value.type === 'text' ? '' : `${replyOf(value)}; `;
  return `        ${names.join('|')}) ${reply}return ;;`;
}

function replyOf(value: ValueKind): string {
  switch (value.type) {
    case 'choices':
      return `_tapfd_reply "$(compgen -W '${value.choices.join(' ')}' -- "$current")"`;
    case 'file':
      return '_tapfd_files "$current"';
    case 'command':
      return `_tapfd_reply "$(compgen -W '--' -- "$current")"`;
    default:
      return '_tapfd_links "$current"';
  }
}
