/** test/native/frames/segment-fuzz.test.ts at full length. */
import '../native/frames/segment-fuzz.test.js';
