// SPDX-License-Identifier: Apache-2.0
// Markdown as the elements of a page: headings, lists, quotes, tables, code. Elements are made one by one and text only
// ever becomes text, so an answer cannot bring in markup, scripts or pictures.

import {copyButton} from './copying.js';
import {element} from './dom.js';
import {inline} from './markdown_inline.js';

const DEEPEST = 6;  // lists in lists, quotes in quotes
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?:\s+(.*)|)$/;
const QUOTE = /^ {0,3}> ?/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

const isBlank = (line) => line.trim() === '';
const indentOf = (line) => line.length - line.trimStart().length;
const closes = (line, fence) => line.trim().length >= fence.length && line.trim().split('').every((c) => c === fence[0]);
const beginsBlock = (line) => FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line);

/** Where the block ends that begins with line `begin`. */
function endOfBlock(lines, begin) {
  const first = lines[begin];
  let end = begin + 1;
  const fence = first.match(FENCE)?.[1];
  if (fence) {
    while (end < lines.length && !closes(lines[end], fence)) ++end;
    return Math.min(end + 1, lines.length);
  }
  if (HEADING.test(first) || RULE.test(first)) return end;
  if (QUOTE.test(first)) {
    while (end < lines.length && QUOTE.test(lines[end])) ++end;
    return end;
  }
  if (ITEM.test(first)) return endOfList(lines, begin);
  while (end < lines.length && !isBlank(lines[end]) && !beginsBlock(lines[end])) ++end;
  return end;
}

function endOfList(lines, begin) {
  let end = begin + 1, fence = null;
  for (; end < lines.length; ++end) {
    const line = lines[end];
    if (fence) {
      if (closes(line, fence)) fence = null;
      continue;
    }
    if (isBlank(line)) {
      const next = lines.slice(end + 1).find((other) => !isBlank(other));
      if (next === undefined || !(ITEM.test(next) || indentOf(next) >= 2)) return end;
      continue;
    }
    if (indentOf(line) < 2 && !ITEM.test(line) && (beginsBlock(line) || isBlank(lines[end - 1]))) return end;
    fence = line.trim().match(FENCE)?.[1] ?? null;
  }
  return end;
}

/** The sources of the blocks of a text, in order. */
export function blocksOf(text) {
  const lines = text.replaceAll('\r', '').replaceAll('\t', '    ').split('\n');
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    if (isBlank(lines[at])) {
      ++at;
      continue;
    }
    const end = endOfBlock(lines, at);
    blocks.push(lines.slice(at, end).join('\n'));
    at = end;
  }
  return blocks;
}

function codeBlock(lines) {
  const [, fence, language] = lines[0].match(FENCE);
  const closed = lines.length > 1 && closes(lines.at(-1), fence);
  const code = lines.slice(1, closed ? -1 : undefined).join('\n');
  return element('div', {className: 'code'},
    element('div', {className: 'code-head'}, element('span', {textContent: language.trim().split(/\s/)[0]}), copyButton(() => code, 'Copy the code')),
    element('pre', {tabIndex: 0}, element('code', {textContent: code})));
}

function list(lines, depth) {
  const ordered = /\d/.test(lines[0].match(ITEM)[2]);
  const margin = indentOf(lines[0]);
  const items = [];
  for (const line of lines) {
    const found = line.match(ITEM);
    if (found && found[1].length <= margin + 1) items.push([found[3] ?? '']);
    else items.at(-1).push(line);
  }
  const made = element(ordered ? 'ol' : 'ul', {}, ...items.map((item) => {
    const inner = Math.min(...item.slice(1).filter((line) => !isBlank(line)).map(indentOf), 8);
    return element('li', {}, ...render([item[0], ...item.slice(1).map((line) => line.slice(Math.min(inner, indentOf(line))))].join('\n'), depth + 1, true));
  }));
  if (ordered) made.start = parseInt(lines[0].trim(), 10);
  return made;
}

const cells = (line) => line.trim().replace(/^\|/, '').replace(/(?<!\\)\|$/, '').split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));

function table(lines) {
  const row = (tag, line) => element('tr', {}, ...cells(line).map((cell) => element(tag, {}, ...inline(cell))));
  return element('div', {className: 'table', tabIndex: 0, role: 'group', ariaLabel: 'Table'}, element('table', {},
    element('thead', {}, row('th', lines[0])), element('tbody', {}, ...lines.slice(2).map((line) => row('td', line)))));
}

/** The element of one block. `tight`: a paragraph within a list needs no element of its own. */
function block(source, depth, tight) {
  const lines = source.split('\n');
  const [first] = lines;
  if (FENCE.test(first)) return [codeBlock(lines)];
  const heading = first.match(HEADING);
  if (heading) return [element(`h${Math.min(heading[1].length + 2, 6)}`, {}, ...inline(heading[2]))];  // h1 and h2 are the page's
  if (RULE.test(first)) return [element('hr')];
  if (QUOTE.test(first) && depth < DEEPEST) {
    return [element('blockquote', {}, ...render(lines.map((line) => line.replace(QUOTE, '')).join('\n'), depth + 1))];
  }
  if (ITEM.test(first) && depth < DEEPEST) return [list(lines, depth)];
  if (lines.length > 1 && first.includes('|') && TABLE_RULE.test(lines[1])) return [table(lines)];
  const text = inline(lines.map((line) => line.trim()).join('\n'));
  return tight ? text : [element('p', {}, ...text)];
}

function render(text, depth = 0, tight = false) {
  const blocks = blocksOf(text);
  return blocks.flatMap((source, index) => block(source, depth, tight && (index === 0 || blocks.length === 1)));
}

/** Shows a text that grows: blocks that stay as they were keep their elements. */
export class MarkdownView {
  constructor(host) {
    this.host = host;
    this.blocks = [];  // {source, elements}
  }

  show(text) {
    const sources = blocksOf(text);
    let same = 0;
    while (same < sources.length && this.blocks[same]?.source === sources[same]) ++same;
    for (const {elements} of this.blocks.splice(same)) elements.forEach((made) => made.remove());
    for (const source of sources.slice(same)) {
      const elements = block(source, 0, false);
      this.blocks.push({source, elements});
      this.host.append(...elements);
    }
  }
}
