/**
 * src/testing/: the entry tapfd/testing: private networks, devices in memory and expectations for tests. On top
 * of network, frame-pair and expect.
 *
 * @module tapfd/testing
 */

export { type FrameDifferenceOptions, frameDifference } from './expect/difference.js';
export { type ExpectFrameOptions, expectFrame } from './expect/expect-frame.js';
export { FrameExpectationError } from './expect/expectation-error.js';
export {
  type CaptureFramesOptions,
  captureFrames,
  type ExpectOptions,
  FrameLog,
  type LoggedFrame,
  type NoneOptions,
} from './expect/frame-log.js';
export type { FrameMatch, FramePredicate } from './expect/match.js';
export { type ReplayOptions, type ReplayResult, replay } from './expect/replay.js';
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
export {
  createTestNetwork,
  TestNetwork,
  type WireEndOptions,
  withTestNetwork,
} from './network/test-network.js';
export type { WireEnd } from './network/wires.js';
export { DeviceWire, type WireOptions, wire } from './wire.js';
export type { WireDrop, WireStats, WireWay } from './wire-direction.js';
