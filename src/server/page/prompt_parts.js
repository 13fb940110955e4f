// SPDX-License-Identifier: Apache-2.0
// Which tokens of a prompt are the template's, and where each document lies among them.

/** Where each of `texts` stands in the prompt, in order: [{begin, end}] of characters; null if one is not found. */
function places(prompt, texts) {
  const found = [];
  let from = 0;
  for (const text of texts) {
    const wanted = text.trim();
    const begin = prompt.indexOf(wanted, from);
    if (begin < 0) return null;
    from = begin + wanted.length;
    found.push({begin, end: from});
  }
  return found;
}

/** Characters before each token, and their number in all at the end. */
function offsets(pieces) {
  const before = new Int32Array(pieces.length + 1);
  pieces.forEach((piece, index) => {
    before[index + 1] = before[index] + piece.length;
  });
  return before;
}

/** One flag a token: 1 if it holds nothing of `messages`. None are, if the template changed the messages. */
export function templateTokens(pieces, messages) {
  const flags = new Uint8Array(pieces.length);
  const held = places(pieces.join(''), messages);
  if (held === null) return flags;
  const before = offsets(pieces);
  let next = 0;
  for (let token = 0; token < pieces.length; ++token) {
    while (next < held.length && held[next].end <= before[token]) ++next;
    const outside = next === held.length || before[token + 1] <= held[next].begin;
    flags[token] = outside ? 1 : 0;
  }
  return flags;
}

/** The tokens of each document: [{document, begin, end}]; empty if they are not found. */
export function documentTokens(pieces, documents) {
  const held = places(pieces.join(''), documents.map(({text}) => text)) ?? [];
  const before = offsets(pieces);
  const tokenAt = (character) => {
    let low = 0, high = pieces.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before[middle + 1] <= character) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return held.map(({begin, end}, index) => ({document: documents[index], begin: tokenAt(begin), end: tokenAt(end - 1) + 1}));
}
