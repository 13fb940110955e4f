// SPDX-License-Identifier: Apache-2.0
// Finds the server, waits while it loads its model, and finds it again after it was away.

import * as api from './api.js';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 8000;

export class Connection {
  /** `found({properties, models})` each time the server is there; `waiting(sentence)` while it is not, '' when it is.
   *  `failed(error)` when it answers, but not with what is wanted: a refused key, say. */
  constructor({found, waiting, failed}) {
    Object.assign(this, {found, waiting, failed});
    this.timer = 0;
    this.pause_ms = FIRST_PAUSE_MS;
    this.trying = null;
    const now = () => {
      if (this.timer !== 0) this.connect();
    };
    window.addEventListener('online', now);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) now();
    });
  }

  /** Resolves when the server answered or did not. */
  connect() {
    this.trying ??= this.#try().finally(() => {
      this.trying = null;
    });
    return this.trying;
  }

  async #try() {
    clearTimeout(this.timer);
    this.timer = 0;
    try {
      const [properties, models] = [await api.properties(), await api.models()];
      this.pause_ms = FIRST_PAUSE_MS;
      this.waiting('');
      this.found({properties, models});
    } catch (error) {
      if (error.isLoading) this.#again('The model is being loaded …', FIRST_PAUSE_MS);
      else if (error.isAway || error.status === 503) this.#again('The server does not answer. Is it still running? This page looks for it again by itself.');
      else this.failed(error);
    }
  }

  /** A request found nobody. */
  lost() {
    if (this.timer === 0 && this.trying === null) this.connect();
  }

  #again(sentence, pause_ms = this.pause_ms) {
    this.waiting(sentence);
    this.timer = setTimeout(() => this.connect(), pause_ms);
    this.pause_ms = Math.min(2 * this.pause_ms, LONGEST_PAUSE_MS);
  }
}
