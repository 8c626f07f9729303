/**
 * src/testing/: the entry tapfd/testing: private networks, devices in memory and expectations for tests. On top
 * of network, frame-pair and expect.
 *
 * @module tapfd/testing
 */

export {
  createFramePair,
  FramePair,
  type FramePairLink,
  type FramePairOptions,
} from './frame-pair/create-frame-pair.js';
export { TestHost } from './network/host.js';
export type { HostLinks } from './network/host-links.js';
export type { LinkShape, Rootless, TestNetworkOptions, WireLinkOptions } from './network/options.js';
export type { ExecOptions, ExecResult } from './network/processes.js';
export { createTestNetwork, TestNetwork, type WireEndOptions } from './network/test-network.js';
export type { WireEnd } from './network/wires.js';
