/**
 * Ends with its first frame:
 *
 *     node first-frame.mjs NAME
 */
import { openTap } from 'tapfd';

const device = await openTap({ name: process.argv[2] });
device.once('data', () => process.exit(0));
