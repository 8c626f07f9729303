/** A full garbage collection, in any runtime. */
import { createRequire } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export const collectGarbage: () => void = process.versions.bun === undefined ? ofV8() : ofBun();

function ofV8(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}

function ofBun(): () => void {
  const { gc } = createRequire(import.meta.url)('bun');
  return () => gc(true);
}
