/** test/lifecycle/many-opens.test.ts, with the longer amounts of test/kit/depth.ts. */
import '../lifecycle/many-opens.test.js';
