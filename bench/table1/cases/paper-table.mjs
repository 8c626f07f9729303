/** The five columns of the paper's table, each between guest a and guest b over Fast Ethernet. */
import { Trouble } from '../../../scripts/run-command.mjs';
import { mpirun } from '../testbed/mpi.mjs';
import { tcpStream } from './iperf3.mjs';

/** @typedef {import('../case.mjs').Case} Case */

const HOME = '/opt/table1';

const COMPUTING = /** @type {const} */ ({
  phase: 'table',
  unit: 's',
  better: 'less',
  cards: ['tap', 'macvtap'],
  between: ['a', 'b'],
  shaped: true,
  computes: true,
});

/** @param {import('../sizes.mjs').Size} size @returns {Case[]} */
export function tableCases(size) {
  return [
    {
      ...COMPUTING,
      name: 'iperf',
      title: 'iperf',
      unit: 'Mbit/s',
      better: 'more',
      computes: false,
      parameters: { seconds: size.iperf },
      measure: async ({ a, b }, card) => {
        const figures = await tcpStream({ from: a, to: b, card, seconds: size.iperf });
        return { value: figures.mbps, ...figures };
      },
    },
    {
      ...COMPUTING,
      name: 'linpack',
      title: 'LINPACK',
      unit: 'GFLOPS',
      better: 'more',
      parameters: { n: size.linpackN },
      measure: (site, card) => linpack(site, card, size.linpackN),
    },
    {
      ...COMPUTING,
      name: 'gromacs',
      title: 'GROMACS',
      parameters: { steps: size.gromacsSteps },
      measure: (site, card) => gromacs(site, card, size.gromacsSteps),
    },
    {
      ...COMPUTING,
      name: 'icoFoam',
      title: 'OpenFOAM icoFoam',
      parameters: { steps: size.icoFoamSteps },
      measure: (site, card) => openFoam(site, card, 'icoFoam', size.icoFoamSteps * 0.0025),
    },
    {
      ...COMPUTING,
      name: 'simpleFoam',
      title: 'OpenFOAM simpleFoam',
      parameters: { steps: size.simpleFoamSteps },
      measure: (site, card) => openFoam(site, card, 'simpleFoam', size.simpleFoamSteps),
    },
  ];
}

async function linpack(site, card, n) {
  // A line each, in the order in which HPL reads them; its manual explains them under "HPL.dat".
  const input = [
    ...['HPL', 'input', 'HPL.out', '6', '1', n, '1', '64', '0', '1', '1', '2', '16.0', '1', '2', '1', '4'],
    ...['1', '2', '1', '1', '1', '1', '1', '1', '2', '64', '0', '0', '1', '8'],
  ];
  await site.a.must(`printf '%s\\n' ${input.join(' ')} >hpccinf.txt; rm -f hpccoutf.txt`);
  const { output, seconds } = await mpirun(site, card, `${HOME}/linpack`);
  const figures = JSON.parse(/^\{.*\}$/m.exec(output)?.[0] ?? 'null');
  if (figures?.n !== n || figures.failed !== 0 || !(figures.residual < 16)) {
    throw new Trouble(`HPL found no correct solution: ${output}`);
  }
  return { value: figures.gflops, residual: figures.residual, ownSeconds: figures.seconds, seconds };
}

async function gromacs(site, card, steps) {
  const { output, seconds } = await mpirun(
    site,
    card,
    `gmx_mpi -quiet mdrun -s ${HOME}/gromacs/water.tpr -nsteps ${steps} -ntomp 1 -pin off -noconfout -g /tmp/water.log ` +
      '-e /tmp/water.edr -o /tmp/water.trr -x /tmp/water.xtc -cpo /tmp/water.cpt 2>&1',
  );
  const log = await site.a.must('cat /tmp/water.log; rm -f /tmp/*water*');
  const wall = /^\s*Time:\s+[\d.]+\s+([\d.]+)/m.exec(log)?.[1];
  if (!log.includes('Finished mdrun') || wall === undefined)
    throw new Trouble(`GROMACS did not finish: ${output}`);
  return { value: seconds, ownSeconds: Number(wall) };
}

/** Solves one of the prepared cases up to a simulated time. */
async function openFoam(site, card, solver, endTime) {
  const directory = `${HOME}/${solver}`;
  for (const guest of [site.a, site.b]) {
    await guest.must(`sed -i 's|^endTime .*|endTime ${endTime};|' ${directory}/system/controlDict`);
  }
  const command = `${solver} -parallel -case ${directory} -fileHandler uncollated 2>&1`;
  const { output, seconds } = await mpirun(site, card, `-x WM_PROJECT_DIR=/usr/share/openfoam ${command}`);
  const times = [...output.matchAll(/^Time = (\S+)$/gm)];
  const clock = [...output.matchAll(/ExecutionTime = ([\d.]+) s/g)].at(-1)?.[1];
  if (Number(times.at(-1)?.[1]) !== endTime || !/^End$/m.test(output)) {
    throw new Trouble(`${solver} did not reach time ${endTime}: ${output.slice(-2000)}`);
  }
  return { value: seconds, ownProcessorSeconds: Number(clock) };
}
