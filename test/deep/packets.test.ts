/** test/unit/packets/fuzz.test.ts and the comparisons with scapy and Wireshark, with the longer amounts of test/kit/depth.ts. */
import '../unit/packets/fuzz.test.js';
import '../unit/packets/scapy.test.js';
import '../unit/packets/tshark.test.js';
