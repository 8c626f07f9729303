/** A terminal used as a whole, and given back as it was. */
import { cutLine } from '../terminal/text.js';

/** ECMA-48 and xterm: the alternate screen, the cursor. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

const CTRL_C = '\u0003';

/** The whole terminal, if standard output is one. */
export class Screen {
  readonly #leave = (): void => void process.stdout.write(LEAVE);
  readonly #onKey: (key: Buffer) => void;
  readonly #onResize = (): void => this.#show();
  #linesFor: (width: number) => readonly string[];

  /**
   * @param onQuit - Called for q and Ctrl-C, which in this mode is no signal.
   * @param linesFor - As for {@link draw}, which it does at once.
   */
  constructor(onQuit: () => void, linesFor: (width: number) => readonly string[]) {
    this.#onKey = (key) => {
      const text = key.toString('latin1');
      if (text.includes('q') || text.includes(CTRL_C)) onQuit();
    };
    process.stdout.write(ENTER);
    // However the process ends.
    process.on('exit', this.#leave);
    process.stdout.on('resize', this.#onResize);
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      process.stdin.on('data', this.#onKey);
    }
    this.#linesFor = linesFor;
    this.#show();
  }

  /** @param linesFor - Makes the lines for a width, now and when the terminal gets another size. */
  draw(linesFor: (width: number) => readonly string[]): void {
    this.#linesFor = linesFor;
    this.#show();
  }

  /** As many lines as there is room for. */
  #show(): void {
    const { rows: room, columns: width } = process.stdout;
    const lines = this.#linesFor(width);
    const shown =
      lines.length <= room ? lines : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more`];
    const text = shown.map((line) => `${cutLine(line, width)}${CLEAR_LINE}`).join('\r\n');
    process.stdout.write(`${HOME}${text}${CLEAR_BELOW}`);
  }

  close(): void {
    process.off('exit', this.#leave);
    process.stdout.off('resize', this.#onResize);
    if (process.stdin.isTTY) {
      process.stdin.off('data', this.#onKey);
      process.stdin.setRawMode(false);
      process.stdin.pause();
    }
    this.#leave();
  }
}
