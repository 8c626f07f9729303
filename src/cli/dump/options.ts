/** The options of `tapfd dump`. */
export interface DumpOptions {
  /** A descriptor that this process has inherited. */
  fd?: number;
  /** A file for pcapng; `-` is standard output. */
  write?: string;
  count?: number;
  snaplen?: number;
  ring?: { files: number; bytes: number };
  json?: true;
  quiet?: true;
}
