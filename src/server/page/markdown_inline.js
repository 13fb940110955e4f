// SPDX-License-Identifier: Apache-2.0
// Markdown within a line: code, strong, emphasis, links. Markup in the text stays text, and pictures are not loaded.

import {element} from './dom.js';

const DEEPEST = 6;  // emphasis in emphasis
const SAFE = /^(https?:\/\/|mailto:)/i;
const DELIMITERS = [['**', 'strong'], ['__', 'strong'], ['~~', 'del'], ['*', 'em'], ['_', 'em']];
const LINK = /!?\[((?:\\.|[^[\]\\]){0,500})\]\(\s*<?([^\s<>()]{0,2000})>?(?:\s+"[^"]{0,500}")?\s*\)/y;
const ADDRESS = /https?:\/\/[^\s<>"'`()[\]]{1,2000}/y;
const PLAIN = /[^\\`*_~![h\n]+/y;  // nothing begins at any of these

const isWord = (character) => character !== undefined && /[\p{L}\p{N}]/u.test(character);

function link(address, ...children) {
  if (!SAFE.test(address)) return element('span', {}, ...children);
  return element('a', {href: address, target: '_blank', rel: 'noopener noreferrer'}, ...children);
}

/** `expression` (sticky) at `position`. */
function matchAt(expression, text, position) {
  expression.lastIndex = position;
  return expression.exec(text);
}

class InlineReader {
  constructor(text, depth) {
    this.text = text;
    this.depth = depth;
    this.nodes = [];
    this.held = '';
    this.absent = new Set();  // closing marks that do not come any more: each is looked for once
  }

  flush() {
    if (this.held !== '') this.nodes.push(this.held);
    this.held = '';
  }

  push(node) {
    this.flush();
    this.nodes.push(node);
  }

  find(mark, from) {
    if (this.absent.has(mark)) return -1;
    const found = this.text.indexOf(mark, from);
    if (found < 0) this.absent.add(mark);
    return found;
  }

  read() {
    let position = 0;
    while (position < this.text.length) {
      const plain = matchAt(PLAIN, this.text, position);
      if (plain) {
        this.held += plain[0];
        position += plain[0].length;
        continue;
      }
      const next = this.special(position);
      if (next > position) {
        position = next;
      } else {
        this.held += this.text[position];
        position += 1;
      }
    }
    this.flush();
    return this.nodes;
  }

  /** Reads what begins here; returns where it ends, or `position` if nothing does. */
  special(position) {
    const {text} = this;
    switch (text[position]) {
      case '\n':
        this.held = this.held.trimEnd();
        this.push(element('br'));
        return position + 1;
      case '\\':
        if (!/[!-/:-@[-`{-~]/.test(text[position + 1] ?? '')) return position;
        this.held += text[position + 1];
        return position + 2;
      case '`': return this.code(position);
      case '!':
      case '[': return this.link(position);
      case 'h': return this.address(position);
      default: return this.emphasis(position);
    }
  }

  code(position) {
    const ticks = matchAt(/`+/y, this.text, position)[0];
    const end = this.find(ticks, position + ticks.length);
    if (end < 0) return position;
    this.push(element('code', {textContent: this.text.slice(position + ticks.length, end).replace(/^ (.*\S.*) $/s, '$1')}));
    return end + ticks.length;
  }

  link(position) {
    const found = matchAt(LINK, this.text, position);
    if (!found || this.depth >= DEEPEST) return position;
    this.push(link(found[2], ...inline(found[1] || found[2], this.depth + 1)));
    return position + found[0].length;
  }

  address(position) {
    if (isWord(this.text[position - 1])) return position;
    const found = matchAt(ADDRESS, this.text, position);
    if (!found) return position;
    const address = found[0].replace(/[.,;:!?*_~]+$/, '');
    this.push(link(address, address));
    return position + address.length;
  }

  emphasis(position) {
    const {text} = this;
    for (const [mark, tag] of DELIMITERS) {
      if (!text.startsWith(mark, position) || this.depth >= DEEPEST) continue;
      const begin = position + mark.length;
      if (!/\S/.test(text[begin] ?? '') || (mark[0] === '_' && isWord(text[position - 1]))) continue;
      const end = this.closing(mark, begin);
      if (end < 0) continue;
      this.push(element(tag, {}, ...inline(text.slice(begin, end), this.depth + 1)));
      return end + mark.length;
    }
    return position;
  }

  /** Where `mark` closes what begins at `begin`: after a letter, and not within a word for underscores. */
  closing(mark, begin) {
    const {text} = this;
    for (let end = this.find(mark, begin + 1), tries = 0; end >= 0 && tries < 20; end = this.find(mark, end + 1), ++tries) {
      const doubled = mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark);
      if (/\S/.test(text[end - 1]) && !doubled && !(mark[0] === '_' && isWord(text[end + mark.length]))) return end;
    }
    return -1;
  }
}

/** Nodes and strings for a paragraph's text. */
export function inline(text, depth = 0) {
  return new InlineReader(text, depth).read();
}
