// SPDX-License-Identifier: Apache-2.0
// The text of a prompt, one element a token, shaded by depth.
//
// A token has the class of its depth; a depth has one rule in a style sheet of this module. A slider therefore changes a
// few rules, not thousands of elements, and blocks out of sight cost nothing (content-visibility).

import {element} from './dom.js';

const BLOCK_TOKENS = 120;  // a block ends at the first line's end after so many

export class PromptText {
  /** `onToken(index)`: the token under the pointer or the cursor; -1: none. */
  constructor(host, onToken) {
    this.host = host;
    this.onToken = onToken;
    this.sheet = new CSSStyleSheet();
    document.adoptedStyleSheets.push(this.sheet);
    this.cursor = -1;
    host.addEventListener('pointerover', (event) => this.point(event));
    host.addEventListener('pointerdown', (event) => {
      const index = event.target.dataset?.token;
      if (index !== undefined) this.moveTo(Number(index), false);
    });
    host.addEventListener('pointerleave', () => onToken(this.cursor));
    host.addEventListener('focus', () => this.moveTo(this.remembered, false));
    host.addEventListener('blur', () => this.moveTo(-1, false));
    host.addEventListener('keydown', (event) => this.key(event));
  }

  /** `template`: a flag for each token that the chat template gave. */
  show(depths, template) {
    this.depths = depths;
    this.template = template;
    this.cursor = -1;
    this.remembered = Math.max(template.indexOf(0), 0);  // the cursor when the text had the focus
    this.spans = depths.pieces.map((piece, index) => {
      const span = element('span', {textContent: piece, className: this.classOf(index)});
      span.dataset.token = index;
      return span;
    });
    this.blocks = [];
    let begin = 0;
    for (let index = 0; index < this.spans.length; ++index) {
      const long = index - begin + 1 >= BLOCK_TOKENS;
      if (index + 1 < this.spans.length && !(long && depths.pieces[index].endsWith('\n'))) continue;
      this.blocks.push(this.makeBlock(begin, index + 1));
      begin = index + 1;
    }
    this.host.replaceChildren(...this.blocks.map(({element: made}) => made));
    this.host.scrollTop = 0;
  }

  makeBlock(begin, end) {
    const made = element('div', {className: 'block'}, ...this.spans.slice(begin, end));
    const lines = made.textContent.split('\n').reduce((sum, line) => sum + Math.ceil((line.length + 1) / 70), 0);
    made.style.setProperty('--lines', lines);
    return {element: made, begin, end};
  }

  classOf(index) {
    const step = this.depths.revivedAt.get(index);
    const revived = step === undefined ? '' : step === this.depths.step ? ' revived now' : ' revived';
    return `token depth-${this.depths.depths[index]}${revived}${index === this.cursor ? ' current' : ''}${this.template[index] ? ' template' : ''}`;
  }

  /** Classes of the tokens that a step changed. */
  refresh(tokens) {
    for (const token of tokens) this.spans[token].className = this.classOf(token);
  }

  /** Shades the depths that take part in `layer`; the others lose theirs. */
  shade(layer) {
    const rules = this.depths.levels.map((depth) => {
      const alive = depth >= layer;
      const share = alive ? 100 * this.depths.strength(depth) : 0;
      return `.prompt-text .depth-${depth} { --share: ${share.toFixed(1)}%; --alive: ${alive ? 100 : 0}%; color: var(--${alive ? 'ink' : 'unread'}); }`;
    });
    this.sheet.replaceSync(rules.join('\n'));
  }

  foldTemplate(folded) {
    this.folded = folded;
    this.host.classList.toggle('folded', folded);
  }

  /** Puts the cursor on a token and its line into the middle. */
  goTo(index) {
    this.remembered = index;
    this.host.focus({preventScroll: true});
    this.moveTo(index, false);
    this.spans[index].scrollIntoView({block: 'center'});
  }

  point(event) {
    const index = event.target.dataset?.token;
    if (index !== undefined) this.onToken(Number(index));
  }

  moveTo(index, scroll = true) {
    const before = this.cursor;
    this.cursor = index;
    if (index >= 0) this.remembered = index;
    this.refresh([before, index].filter((token) => token >= 0));
    if (index >= 0 && scroll) this.spans[index].scrollIntoView({block: 'nearest'});
    this.onToken(index);
  }

  key(event) {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (by === undefined || event.altKey || event.ctrlKey || event.metaKey || this.depths === undefined) return;
    event.preventDefault();
    const {depths, size} = this.depths;
    const isHidden = (token) => this.folded && this.template[token] === 1;
    let to = this.cursor;  // the last one in sight on the way
    for (let index = this.cursor + by; index >= 0 && index < size; index += by) {
      if (isHidden(index)) continue;
      to = index;
      if (!event.shiftKey || depths[index] !== depths[this.cursor]) break;
    }
    this.moveTo(to);
  }

  /** Where tokens lie on the sheet, for the overview: [{begin, end, top, height}]. */
  layout() {
    return this.blocks.map(({element: made, begin, end}) => ({begin, end, top: made.offsetTop, height: made.offsetHeight}));
  }
}
