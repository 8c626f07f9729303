/** `npm run pictures`: draws the figures of the guides into docs/pictures/. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../prepare.mjs';
import { FIGURES } from './figures.mjs';

for (const [name, draw] of Object.entries(FIGURES))
  writeFileSync(join(ROOT, `docs/pictures/${name}.svg`), draw());
