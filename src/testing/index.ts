/**
 * src/testing/: the entry tapfd/testing: private networks and expectations for tests. On top of capture and packets.
 *
 * @module tapfd/testing
 */
export {};
