/** test/guest/hot-plug.test.ts at full length. */
import '../guest/hot-plug.test.js';
