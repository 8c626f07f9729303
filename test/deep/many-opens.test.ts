/** test/lifecycle/many-opens.test.ts at full length. */
import '../lifecycle/many-opens.test.js';
