/** Reading the links of a namespace: one, or all, which takes long where there are many or many come and go. */

import { constants } from 'node:os';
import { isError } from '../base/errors.js';
import { type NativeAddon, native } from '../base/native.js';
import { nativeCall } from '../base/native-call.js';
import type { NamespaceHandle, NativeLink, NativeLinkList, NativeLinkRef } from '../base/native-links.js';

/** One link; undefined if there is none. Any other failure says nothing about the link, and is thrown. */
export async function findLink(
  ns: NamespaceHandle,
  link: NativeLinkRef,
  port: Pick<NativeAddon, 'getLink'>,
): Promise<NativeLink | undefined> {
  try {
    return await port.getLink(ns, link);
  } catch (error) {
    if (isError(error) && 'errno' in error && error.errno === -constants.errno.ENODEV) return undefined;
    throw error;
  }
}

/** How many lists are read at once. Each occupies a thread of libuv's pool, which has four and serves `fs` and `dns`, too. */
const MAX_AT_ONCE = 2;

let reading = 0;
const waiting: (() => void)[] = [];
/** The lists that no thread has begun to read, by the key of their namespace: who asks now may share them. */
const notBegun = new Map<string, Promise<NativeLinkList>>();

/**
 * Reads the links of a namespace. Calls that wait at the same time share one list, which is begun after all of them; the
 * handle must stay open until the promise settles.
 */
export function listLinks(
  operation: string,
  ns: NamespaceHandle,
  port: Pick<NativeAddon, 'listLinks'> = native(),
): Promise<NativeLinkList> {
  return nativeCall({ operation }, () => notBegun.get(ns.key) ?? readInTurn(ns, port));
}

function readInTurn(ns: NamespaceHandle, port: Pick<NativeAddon, 'listLinks'>): Promise<NativeLinkList> {
  const { key } = ns;
  const list = turn().then(async () => {
    notBegun.delete(key);
    try {
      return await port.listLinks(ns);
    } finally {
      reading -= 1;
      admit();
    }
  });
  notBegun.set(key, list);
  return list;
}

/** Resolves when this list may be read, and never before those who ask in the same turn have joined. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    queueMicrotask(admit);
  });
}

function admit(): void {
  while (reading < MAX_AT_ONCE) {
    const begin = waiting.shift();
    if (begin === undefined) return;
    reading += 1;
    begin();
  }
}
