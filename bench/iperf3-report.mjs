/** Runs an iperf3 client and reads its report. */
import { Trouble } from '../scripts/run-command.mjs';

/** On a busy machine the server may still be ending the previous run. */
const ATTEMPTS = 5;

/**
 * @param {() => Promise<string>} runClient runs `iperf3 -c … -J` once, and returns what it prints even where it fails
 * @returns {Promise<Record<string, any>>} the totals of the run
 */
export async function iperf3Report(runClient) {
  for (let attempt = 1; ; attempt += 1) {
    const output = await runClient();
    const { end, error } = JSON.parse(output.slice(output.indexOf('{')));
    if (error === undefined) return end;
    if (attempt === ATTEMPTS) throw new Trouble(`iperf3: ${error}`);
  }
}
