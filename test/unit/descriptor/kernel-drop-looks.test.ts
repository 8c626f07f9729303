/** When the drop counter is looked at. */
import { mock } from 'node:test';
import t from 'tap';
import { KernelDropLooks } from '#lib/descriptor/kernel-drop-looks.js';

t.test(
  'once a second while there are bursts, one look at a time, and never when nothing is read',
  async (t) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    t.teardown(() => mock.timers.reset());
    let looks = 0;
    let answered: () => void = () => undefined;
    const drops = new KernelDropLooks(() => {
      looks += 1;
      return new Promise((resolve) => {
        answered = resolve;
      });
    });
    const settle = () => new Promise(setImmediate);
    mock.timers.tick(5000);
    t.equal(looks, 0, 'nothing was read');
    for (let i = 0; i < 10; i++) drops.noteBurst();
    mock.timers.tick(1000);
    t.equal(looks, 1);
    drops.noteBurst();
    mock.timers.tick(5000);
    t.equal(looks, 1, 'the kernel has not answered yet');
    answered();
    await settle();
    mock.timers.tick(1000);
    t.equal(looks, 2);
    answered();
    await settle();
    mock.timers.tick(5000);
    t.equal(looks, 2, 'idle');
    drops.noteBurst();
    mock.timers.tick(999);
    drops.stop();
    mock.timers.tick(5000);
    drops.noteBurst();
    mock.timers.tick(5000);
    t.equal(looks, 2, 'stopped');
  },
);
