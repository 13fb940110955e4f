// SPDX-License-Identifier: Apache-2.0
// Notices that an answer says the same thing over and over, as the program's `run` and `chat` do.

const TIMES = 4;       // so often in a row
const LEAST = 240;     // and at least so many characters in all
const LONGEST = 1200;  // characters of the piece

export class LoopDetector {
  #tail = '';

  /** The answer goes on with `text`. True when its end is one piece again and again. Rows of one character do not count. */
  add(text) {
    const tail = this.#tail = (this.#tail + text).slice(-2 * TIMES * LONGEST);
    const longest = Math.min(LONGEST, Math.floor(tail.length / TIMES));
    for (let period = 1; period <= longest; ++period) {
      if (tail.at(-1 - period) === tail.at(-1) && this.#repeats(period)) return true;
    }
    return false;
  }

  #repeats(period) {
    const length = Math.max(TIMES * period, LEAST);
    if (this.#tail.length < length) return false;
    const end = this.#tail.slice(-length);
    if (end.slice(period) !== end.slice(0, length - period)) return false;  // equals itself, moved by one period
    const piece = end.slice(-period);
    return /[\p{L}\p{N}]/u.test(piece) && new Set(piece).size > 1;
  }
}
