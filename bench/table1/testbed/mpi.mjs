/** Programs that compute in guests a and b together, over one of their cards. */
import { Trouble } from '../../../scripts/run-command.mjs';
import { addressOf, hostName, networkOf } from '../cards.mjs';

const KEY = '/root/.ssh/id_dropbear';
const MAX_SECONDS = 550;

/** OpenBLAS picks its code for the newest processor features, which emulation is slowest at. */
const ENVIRONMENT = { OPENBLAS_CORETYPE: 'Nehalem', OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1' };

/** Lets MPI start its half in b: makes a key for this run and starts ssh servers. */
export async function allowSsh({ a, b }) {
  await a.must(`mkdir -p /root/.ssh /etc/dropbear && dropbearkey -t ed25519 -f ${KEY}`);
  const publicKey = /^ssh-ed25519 \S+/m.exec(await a.must(`dropbearkey -y -f ${KEY}`))?.[0];
  if (publicKey === undefined) throw new Trouble('dropbearkey made no key');
  for (const guest of [a, b]) {
    await guest.must(
      `mkdir -p /root/.ssh /etc/dropbear && chmod 700 /root /root/.ssh && ` +
        `echo '${publicKey}' >/root/.ssh/authorized_keys && chmod 600 /root/.ssh/authorized_keys && ` +
        '(dropbear -F -R -s </dev/null >/dev/null 2>&1 &)',
    );
  }
}

/**
 * Runs a program with one process in each guest.
 *
 * @param {Record<string, any>} site
 * @param {import('../cards.mjs').Card} card
 * @param {string} command
 * @returns {Promise<{output: string, seconds: number}>} from the start of mpirun to its end
 */
export async function mpirun({ a, b }, card, command) {
  const hosts = [a, b].map(({ name }) => ({ name: hostName(name), address: addressOf(name, card) }));
  // Open MPI finds its nodes by name, so what the names resolve to selects the card.
  const lines = hosts.map(({ name, address }) => `${address} ${name}`).join('\\n');
  for (const guest of [a, b]) await guest.must(`printf '127.0.0.1 localhost\\n${lines}\\n' >/etc/hosts`);
  const only = networkOf(card);
  const options = {
    plm_rsh_agent: "'dbclient -y -y'",
    pml: 'ob1',
    btl: 'tcp,self',
    btl_tcp_if_include: only,
    oob_tcp_if_include: only,
  };
  const line = [
    'mpirun --allow-run-as-root -np 2',
    `--host ${hosts.map(({ name }) => name)}`,
    ...Object.entries(options).map(([key, value]) => `--mca ${key} ${value}`),
    ...Object.entries(ENVIRONMENT).map(([key, value]) => `-x ${key}=${value}`),
    command,
  ].join(' ');
  const start = performance.now();
  const output = await a.must(line, MAX_SECONDS);
  return { output, seconds: (performance.now() - start) / 1000 };
}
