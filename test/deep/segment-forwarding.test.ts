/** test/kernel/frames/segment-forwarding.test.ts, with the longer amounts of test/kit/depth.ts. */
import '../kernel/frames/segment-forwarding.test.js';
