// SPDX-License-Identifier: Apache-2.0
// How deep the tokens of a prompt were carried, at any step of the answer.

const FAINTEST = 0.22;

export class TokenDepths {
  /** `tokens`: {pieces, depths, revived: [[step, token, depth], ...]}; `steps`: tokens of the answer. */
  constructor(tokens, layers, steps) {
    this.pieces = tokens.pieces;
    this.layers = layers;
    this.depths = Int16Array.from(tokens.depths);  // at this.step
    this.step = 0;
    const now = this.depths.slice();
    this.events = [...tokens.revived].sort((a, b) => a[0] - b[0]).map(([step, token, depth]) => {
      const event = {step, token, depth, before: now[token]};
      now[token] = depth;
      return event;
    });
    this.steps = Math.max(steps, this.events.at(-1)?.step ?? 0);
    this.applied = 0;  // events up to this.step
    this.revivedAt = new Map();  // token -> step, as of this.step
    this.levels = [...new Set([...this.depths, ...now])].sort((a, b) => a - b);
    this.entering = new Int32Array(layers + 2);  // tokens whose depth is at least the index
    for (const depth of this.depths) this.entering[depth] += 1;
    for (let depth = layers; depth > 0; --depth) this.entering[depth - 1] += this.entering[depth];
  }

  /** Strength of a depth's shade, 0 to 1: by rank, so that few depths are told apart as well as many. */
  strength(depth) {
    if (depth === 0) return 0;
    const read = this.levels.filter((level) => level > 0);
    return read.length === 1 ? 1 : FAINTEST + ((1 - FAINTEST) * read.indexOf(depth)) / (read.length - 1);
  }

  get size() {
    return this.pieces.length;
  }

  /** Goes to a step of the answer; returns the tokens whose depth or mark changed. */
  goTo(step) {
    const changed = [];
    while (this.applied < this.events.length && this.events[this.applied].step <= step) {
      const event = this.events[this.applied++];
      this.change(event.token, event.before, event.depth);
      this.revivedAt.set(event.token, event.step);
      changed.push(event.token);
    }
    while (this.applied > 0 && this.events[this.applied - 1].step > step) {
      const event = this.events[--this.applied];
      this.change(event.token, event.depth, event.before);
      const earlier = this.events.slice(0, this.applied).findLast(({token}) => token === event.token);
      if (earlier) this.revivedAt.set(event.token, earlier.step);
      else this.revivedAt.delete(event.token);
      changed.push(event.token);
    }
    this.step = step;
    return changed;
  }

  change(token, from, to) {
    this.depths[token] = to;
    const by = Math.sign(to - from);
    for (let depth = Math.min(from, to) + 1; depth <= Math.max(from, to); ++depth) this.entering[depth] += by;
  }

  /** Tokens that take part in a layer (from 1). */
  alive(layer) {
    return this.entering[layer];
  }

  /** Tokens that each step of the answer revived, from step 0. */
  revivedPerStep() {
    const counts = new Int32Array(this.steps + 1);
    for (const {step} of this.events) counts[step] += 1;
    return counts;
  }
}
