/** The code under test: answers ARP for one address on any device of frames. */
import { decodeFrame, encodeFrame } from 'tapfd/packets';

/**
 * Runs until the device ends.
 *
 * @param {import('tapfd').FrameStream} device
 * @param {string} address
 * @param {string} mac
 */
export async function answerArp(device, address, mac) {
  for await (const frame of device) {
    const { arp } = decodeFrame(frame);
    if (arp?.operation !== 'request' || arp.targetAddress !== address) continue;
    const { senderMac, senderAddress } = arp;
    const reply = { operation: 'reply', senderMac: mac, senderAddress: address };
    device.write(
      encodeFrame({
        ethernet: { source: mac, destination: senderMac },
        arp: { ...reply, targetMac: senderMac, targetAddress: senderAddress },
      }),
    );
  }
}

/** Until the device is closed, which is how a test ends it. @type {typeof answerArp} */
export async function answerArpUntilClosed(device, address, mac) {
  await answerArp(device, address, mac).catch((error) => {
    if (error.code !== 'ERR_TAPFD_CLOSED') throw error;
  });
}
