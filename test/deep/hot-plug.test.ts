/** test/guest/hot-plug.test.ts, with the longer amounts of test/kit/depth.ts. */
import '../guest/hot-plug.test.js';
