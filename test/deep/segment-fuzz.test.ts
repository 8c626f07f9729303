/** test/native/frames/segment-fuzz.test.ts, with the longer amounts of test/kit/depth.ts. */
import '../native/frames/segment-fuzz.test.js';
