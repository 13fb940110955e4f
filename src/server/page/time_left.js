// SPDX-License-Identifier: Apache-2.0
// How long reading a prompt will still take.

import * as format from './format.js';

const FIRST_GUESS_MS = 1000;  // earlier ones jump about
const FIRST_SHARE = 0.03;

/** "about 12 s left", or '' while nobody can say. `read`: {total, cache, processed}; `elapsed_ms` since reading began. */
export function timeLeft({total, cache, processed}, elapsed_ms) {
  const share = total > cache ? (processed - cache) / (total - cache) : 1;
  if (elapsed_ms < FIRST_GUESS_MS || share < FIRST_SHARE || share >= 1) return '';
  const left = (elapsed_ms * (1 - share)) / share;
  return left < 1500 ? 'about 1 s left' : `about ${format.roughly(left)} left`;
}
