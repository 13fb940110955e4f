// SPDX-License-Identifier: Apache-2.0
// What a screen reader says: whole sentences, not every token of a stream.

import {byId} from './dom.js';

let held = '';

export function announce(text) {
  byId('announcer').textContent = text;
}

/** Adds streamed text; says what has become whole sentences. */
export function announceStream(text) {
  held += text;
  const end = Math.max(held.lastIndexOf('. '), held.lastIndexOf('? '), held.lastIndexOf('! '), held.lastIndexOf('\n'));
  if (end < 0) return;
  announce(held.slice(0, end + 1));
  held = held.slice(end + 1);
}

/** Says the rest of the stream, then `closing`. */
export function endStream(closing) {
  announce(`${held} ${closing}`.trim());
  held = '';
}
