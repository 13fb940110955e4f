// SPDX-License-Identifier: Apache-2.0
// Conversations and their documents, kept in this browser (IndexedDB). Where a browser allows none, they last as long as the page.

const DATABASE = 'lazyllm';
const VERSION = 1;
const CHATS = 'chats';

let opened = null;
const unkept = new Map();  // id -> chat, where nothing can be kept

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, VERSION);
    request.onupgradeneeded = () => request.result.createObjectStore(CHATS, {keyPath: 'id'});
    request.onsuccess = () => {
      request.result.onversionchange = () => {
        request.result.close();
        opened = null;
      };
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opened;
}

/** Runs `action(store)`; resolves with its request's result when all is written. */
async function inStore(mode, action) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(CHATS, mode);
    const request = action(transaction.objectStore(CHATS));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}

/** True if it is kept over a reload. */
export async function keep(chat) {
  try {
    await inStore('readwrite', (store) => store.put(chat));
    unkept.delete(chat.id);
    return true;
  } catch {
    unkept.set(chat.id, structuredClone(chat));
    return false;
  }
}

export async function find(id) {
  try {
    return (await inStore('readonly', (store) => store.get(id))) ?? unkept.get(id) ?? null;
  } catch {
    return unkept.get(id) ?? null;
  }
}

/** All of them, the newest first. */
export async function all() {
  let kept = [];
  try {
    kept = await inStore('readonly', (store) => store.getAll());
  } catch {
    // Only those that are not kept, then.
  }
  return [...kept, ...unkept.values()].sort((a, b) => b.changed - a.changed);
}

export async function remove(id) {
  unkept.delete(id);
  try {
    await inStore('readwrite', (store) => store.delete(id));
  } catch {
    // It was never kept.
  }
}
