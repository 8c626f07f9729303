/** src/cli/list/: `tapfd list`: the devices of this machine as a table, a tree or JSON. On top of machine and terminal. */
import { type Inventory, takeInventory } from '../machine/inventory.js';
import { EXIT } from '../terminal/exit-codes.js';
import { CommandError } from '../terminal/failure.js';
import { printJson, printLines } from '../terminal/output.js';
import { styleFor, widthFor } from '../terminal/style.js';
import { inventoryAsJson } from './json.js';
import { deviceTable } from './table.js';
import { deviceTree } from './tree.js';

export interface ListOptions {
  all?: true;
  tree?: true;
  json?: true;
}

export async function list(names: readonly string[], options: ListOptions): Promise<number> {
  const inventory = only(names, await takeInventory(options.all === true));
  const look = { style: styleFor(process.stdout), width: widthFor(process.stdout) };
  if (options.json) printJson(inventoryAsJson(inventory));
  else printLines(options.tree ? deviceTree(inventory, look) : deviceTable(inventory, look));
  return EXIT.ok;
}

/** The devices of these names; all, if none is given. */
export function only(names: readonly string[], inventory: Inventory): Inventory {
  if (names.length === 0) return inventory;
  const missing = names.find((name) => !inventory.devices.some(({ link }) => link.name === name));
  if (missing !== undefined) {
    throw new CommandError(
      `there is no TUN, TAP or macvtap ${missing} here: tapfd list --all shows those of all namespaces (ENODEV)`,
      EXIT.failed,
    );
  }
  return { ...inventory, devices: inventory.devices.filter(({ link }) => names.includes(link.name)) };
}
