/** One measured program with a namespace, a device and a producer of its own. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { floor } from './compile-floor.mjs';
import { ip, makeNamespace, removeNamespace } from './namespaces.mjs';
import { SubjectProcess } from './subject-process.mjs';

/** Ethernet frames of 1500 bytes, and IP packets of as many. */
const MTU = 1500;
const DEVICE = 'bench0';
/** Room for all frames of a drain. */
const QUEUE_LENGTH = 2048;
const SUBJECT_CORE = 1;

export const subjectScript = (name) => fileURLToPath(new URL(`../subjects/${name}.mjs`, import.meta.url));

export class Rig {
  #namespace;
  #directory;
  #subject;
  #producer;

  /**
   * @param {{program: 'receive' | 'send' | 'turn', way: string, kind: string, apart?: boolean}} what `way`: `floor`, or one of the
   *   script's own; `apart`: the producer works on another processor than the program
   */
  static async start({ program, way, kind, apart = false }) {
    const rig = new Rig();
    rig.#namespace = makeNamespace();
    rig.#directory = mkdtempSync(join(tmpdir(), 'tapfd-bench-'));
    const fifos = ['commands', 'answers'].map((name) => join(rig.#directory, name));
    execFileSync('mkfifo', fifos);
    const at = { namespace: rig.#namespace, core: SUBJECT_CORE, name: `${program} ${way}` };
    rig.#subject = new SubjectProcess(command({ program, way, kind, fifos }), at);
    try {
      const { device = DEVICE } = await rig.#subject.answer();
      ip(
        '-n',
        rig.#namespace,
        'link',
        'set',
        device,
        'txqueuelen',
        String(QUEUE_LENGTH),
        'mtu',
        String(MTU),
        'up',
      );
      const blast = [floor('blast'), device, kind, ...fifos];
      rig.#producer = new SubjectProcess(blast, { ...at, core: apart ? 0 : SUBJECT_CORE, name: 'blast' });
      await rig.#producer.answer();
    } catch (error) {
      await rig.stop();
      throw error;
    }
    return rig;
  }

  ask(line) {
    return this.#subject.ask(line);
  }

  async stop() {
    await this.#subject.stop();
    await this.#producer?.stop();
    removeNamespace(this.#namespace);
    rmSync(this.#directory, { recursive: true });
  }
}

function command({ program, way, kind, fifos }) {
  if (way === 'floor') {
    const args = [floor(program), DEVICE, kind];
    return program === 'send' ? args : [...args, ...fifos];
  }
  const script = [process.execPath, subjectScript(program), way, DEVICE, kind, ...fifos];
  return way.startsWith('fs-') ? [floor('with_device'), DEVICE, kind, ...script] : script;
}
