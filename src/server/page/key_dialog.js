// SPDX-License-Identifier: Apache-2.0
// Asks for the key of a server that wants one. It stays in this tab.

import * as api from './api.js';
import {byId} from './dom.js';

let asked = null;  // requests that are refused at the same time share one dialog

function show(refused) {
  const dialog = byId('key-dialog');
  byId('key').value = '';
  byId('key-title').textContent = refused ? 'The server refused this key' : 'This server wants a key';
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      const key = byId('key').value.trim();
      byId('key').value = '';
      const given = dialog.returnValue === 'use' && key !== '';
      byId('forget-key').hidden = !given;
      resolve(given ? key : null);
    }, {once: true});
    dialog.returnValue = '';
    dialog.showModal();
  });
}

export function useKeyDialog() {
  api.onKeyWanted((refused) => {
    asked ??= show(refused).finally(() => {
      asked = null;
    });
    return asked;
  });
  byId('key-cancel').addEventListener('click', () => byId('key-dialog').close());
  byId('forget-key').hidden = api.storedKey() === null;
  byId('forget-key').addEventListener('click', () => {
    api.forgetKey();
    byId('forget-key').hidden = true;
  });
}
