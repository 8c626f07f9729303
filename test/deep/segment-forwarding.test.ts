/** test/kernel/frames/segment-forwarding.test.ts at full length. */
import '../kernel/frames/segment-forwarding.test.js';
