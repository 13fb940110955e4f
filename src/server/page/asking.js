// SPDX-License-Identifier: Apache-2.0
// Fetches one answer: follows its stream, stops it when asked or when it runs in circles, and says what became of it.

import * as api from './api.js';
import {byId} from './dom.js';
import {LoopDetector} from './loops.js';

const isAtEnd = (scroller) => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;

export class Asking {
  /** `changed()` when it begins and ends; `grows()` while the answer does; `ready(signal)`: resolves when nothing else computes. */
  constructor({changed, grows, ready}) {
    Object.assign(this, {changed, grows, ready});
    this.controller = null;
    this.ended = Promise.resolve();
    byId('stop').addEventListener('click', () => this.stop());
  }

  get isRunning() {
    return this.controller !== null;
  }

  /** Stops the answer, if one is under way; resolves when it has its end. */
  async stop() {
    this.controller?.abort();
    await this.ended;
  }

  /** Returns {error}: why there is no answer at all; null if there is one, or a part of one. */
  async fetch(answer, body, {stopsLoops}) {
    let end = null;
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.controller = new AbortController();
    this.changed();
    answer.begin();
    try {
      return {error: await this.#follow(answer, body, stopsLoops ? new LoopDetector() : null)};
    } finally {
      this.controller = null;
      this.changed();
      setTimeout(end);  // after whoever waits for the answer has dealt with it
    }
  }

  async #follow(answer, body, loops) {
    const {signal} = this.controller;
    const scroller = byId('conversation');
    let inCircles = false;
    try {
      await this.ready(signal);
      for await (const chunk of api.streamChat({...body, return_progress: true, timings_per_token: true, stream_options: {include_usage: true}}, signal)) {
        const follow = isAtEnd(scroller);
        const delta = answer.take(chunk);
        if (follow) scroller.scrollTop = scroller.scrollHeight;
        if (delta === '') continue;
        this.grows();
        inCircles = loops?.add(delta) ?? false;
        if (inCircles) this.controller.abort();
      }
      answer.finish();
    } catch (error) {
      const stopped = error.name === 'AbortError';
      if (answer.isEmpty) return stopped ? new Error('Stopped before the first word.') : error;
      answer.finish(inCircles ? 'Stopped: the answer went round in circles.' : stopped ? 'Stopped.' : error.message);
      if (!stopped) this.brokeOff?.(error);
    }
    return null;
  }
}
