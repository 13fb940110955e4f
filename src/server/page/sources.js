// SPDX-License-Identifier: Apache-2.0
// The list of passages under an answer.

import {element} from './dom.js';
import {passagesThatCounted} from './passages.js';

/** `show(token)` opens the reading view there. Returns null where no passage stands out. */
export function sourceList(end, documents, show) {
  const passages = passagesThatCounted(end, documents);
  if (passages.length === 0) return null;
  const several = new Set(passages.map(({name}) => name)).size > 1 || documents.length > 1;
  return element('details', {className: 'sources'},
    element('summary', {textContent: `Passages that counted (${passages.length})`}),
    element('p', {className: 'note', textContent: 'The model read these deepest. What it made of them is its own: check it.'}),
    element('ol', {}, ...passages.map(({name, text, token}) => element('li', {},
      element('button', {type: 'button', className: 'source', title: 'Show it in the text', onclick: () => show(token)}, text),
      several ? element('span', {className: 'note', textContent: name}) : ''))));
}
