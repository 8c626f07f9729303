/** One measured program, with its own namespace, device and producer. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { floor } from './compile-floor.mjs';
import { ip, makeNamespace, removeNamespace } from './namespaces.mjs';
import { SubjectProcess, subjectScript } from './subject-process.mjs';
import { makeDirectory, removeDirectory } from './temporary-directory.mjs';

const MTU = 1500;
const DEVICE = 'bench0';
/** Holds all frames of a drain. */
const QUEUE_LENGTH = 2048;
const SUBJECT_CORE = 1;

export class SingleDeviceRig {
  #namespace;
  #directory;
  #subject;
  #producer;

  /**
   * @param {{program: 'receive' | 'send' | 'turn', way: string, kind: string, apart?: boolean}} what `way`: `floor`, or one
   *   that the script knows; `apart`: the producer runs on another processor than the program
   */
  static async start({ program, way, kind, apart = false }) {
    const rig = new SingleDeviceRig();
    rig.#namespace = makeNamespace();
    rig.#directory = makeDirectory();
    const fifos = ['commands', 'answers'].map((name) => join(rig.#directory, name));
    execFileSync('mkfifo', fifos);
    const at = { namespace: rig.#namespace, core: SUBJECT_CORE, name: `${program} ${way}` };
    rig.#subject = new SubjectProcess(command({ program, way, kind, fifos }), at);
    try {
      const { device = DEVICE } = await rig.#subject.answer();
      const settings = ['txqueuelen', QUEUE_LENGTH, 'mtu', MTU, 'up'].map(String);
      ip('-n', rig.#namespace, 'link', 'set', device, ...settings);
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
    await Promise.all([this.#subject.stop(), this.#producer?.stop()]);
    removeNamespace(this.#namespace);
    removeDirectory(this.#directory);
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
