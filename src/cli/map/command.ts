/** src/cli/map/: `tapfd map`: a picture of namespaces, devices and guests. On top of machine and terminal. */
import { writeFileSync } from 'node:fs';
import { takeInventory } from '../machine/inventory.js';
import { EXIT } from '../terminal/exit-codes.js';
import { CommandError } from '../terminal/failure.js';
import { layOut } from './layout.js';
import { mermaidOf } from './mermaid.js';
import { mapOf } from './model.js';
import { svgOf } from './svg.js';

export interface MapOptions {
  mermaid?: true;
  here?: true;
  output?: string;
}

export async function map(options: MapOptions): Promise<number> {
  const network = mapOf(await takeInventory(!options.here));
  if (network.namespaces.length === 0) {
    throw new CommandError('there is nothing to draw: no bridge, device or network card', EXIT.failed);
  }
  const picture = options.mermaid
    ? mermaidOf(network)
    : svgOf(layOut(network), 'Network namespaces and devices');
  if (options.output === undefined) process.stdout.write(picture);
  else writeFileSync(options.output, picture);
  return EXIT.ok;
}
