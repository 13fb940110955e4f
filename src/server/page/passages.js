// SPDX-License-Identifier: Apache-2.0
// The passages of the documents that the answer was made from: those whose words were carried deepest.

import {documentTokens} from './prompt_parts.js';
import {TokenDepths} from './token_depths.js';

const SHORTEST = 60;   // characters; shorter sentences go on into the next
const LONGEST = 400;
const CLEARLY = 1.05;  // times the mean of all documents
const ENDS = /[.!?…。！？]["'”’)\]]?\s*$|\n\s*$/;

/** Sentences of the tokens from `begin` to `end`: [{begin, end, text}]. */
function sentences(pieces, begin, end) {
  const made = [];
  let first = begin, text = '';
  for (let token = begin; token < end; ++token) {
    text += pieces[token];
    const next = pieces[token + 1] ?? ' ';
    const whole = ENDS.test(text) && (/\s$/.test(text) || /^\s/.test(next));
    if (token + 1 < end && !(whole && text.trim().length >= SHORTEST) && text.length < LONGEST) continue;
    made.push({begin: first, end: token + 1, text: text.trim().replaceAll(/\s+/g, ' ')});
    first = token + 1;
    text = '';
  }
  return made.filter((sentence) => /[\p{L}\p{N}]/u.test(sentence.text));
}

/** Up to `most` passages, in the order of the text: [{name, text, token, share}]. `share`: how deep it was read, 0 to 1. */
export function passagesThatCounted({lazy, usage}, documents, most = 5) {
  if (!lazy?.tokens || documents.length === 0) return [];
  const read = new TokenDepths(lazy.tokens, lazy.layers, usage.completion_tokens);
  read.goTo(read.steps);
  if (read.levels.length < 2) return [];
  const meanDepth = (begin, end) => read.depths.subarray(begin, end).reduce((sum, depth) => sum + depth, 0) / (end - begin) / read.layers;
  const parts = documentTokens(read.pieces, documents);
  const size = parts.reduce((sum, {begin, end}) => sum + end - begin, 0);
  const usual = parts.reduce((sum, {begin, end}) => sum + (end - begin) * meanDepth(begin, end), 0) / Math.max(size, 1);
  return parts
    .flatMap(({document, begin, end}) => sentences(read.pieces, begin, end).map((sentence) => (
      {name: document.name, text: sentence.text, token: sentence.begin, share: meanDepth(sentence.begin, sentence.end)})))
    .filter(({share}) => share > CLEARLY * usual)
    .sort((a, b) => b.share - a.share)
    .slice(0, most)
    .sort((a, b) => a.token - b.token);
}
