// SPDX-License-Identifier: Apache-2.0
// Conversations as files: one as Markdown to read, all as JSON to bring back.

import {element} from './dom.js';

const FORMAT = 'lazyllm-conversations';
const VERSION = 1;

export function download(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], {type}));
  element('a', {href: address, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

export function titleOf(chat) {
  const text = chat.turns[0]?.question ?? chat.draft ?? '';
  const title = text.trim().replaceAll(/\s+/g, ' ');
  return title.length > 80 ? `${title.slice(0, 79)}…` : title || chat.documents[0]?.name || 'Empty conversation';
}

/** A conversation to read: questions as headings, documents by name only. */
export function asMarkdown(chat) {
  const parts = chat.turns.map(({question, documents, answer, dense}) => [
    `## ${question.replaceAll(/\s+/g, ' ')}`,
    documents.length > 0 ? `Documents: ${documents.map(({name}) => name).join(', ')}` : '',
    answer.text.trim(), answer.note ? `*${answer.note}*` : '',
    dense?.text ? `### Without skipping\n\n${dense.text.trim()}` : '',
  ].filter(Boolean).join('\n\n'));
  return `# ${titleOf(chat)}\n\n${parts.join('\n\n')}\n`;
}

export const asJson = (chats) => JSON.stringify({format: FORMAT, version: VERSION, conversations: chats}, null, 1);

const isText = (value) => typeof value === 'string';
const isDocument = (value) => isText(value?.name) && isText(value.text);
const isAnswer = (value) => isText(value?.text) && (value.thoughts === undefined || isText(value.thoughts)) && (value.note === undefined || isText(value.note));
const isTurn = (value) => isText(value?.question) && Array.isArray(value.documents) && value.documents.every(isDocument) && isAnswer(value.answer) &&
  (value.dense === null || value.dense === undefined || isAnswer(value.dense));
const isChat = (value) => isText(value?.id) && Array.isArray(value.turns) && value.turns.every(isTurn) &&
  (value.documents === undefined || (Array.isArray(value.documents) && value.documents.every(isDocument)));

/** Figures are shown only as the server writes them; those of a file that was changed are left out. */
function checkedAnswer({text, thoughts = '', note = '', end}) {
  const whole = Number.isFinite(end?.lazy?.ttft_ms) && Number.isFinite(end.lazy.computed_fraction) && Number.isFinite(end.usage?.completion_tokens);
  const tokens = end?.lazy?.tokens;
  const {pieces, depths, revived} = tokens ?? {};
  const layers = end?.lazy?.layers;
  const depth = (value) => Number.isInteger(value) && value >= 0 && value <= layers;
  const readable = Number.isInteger(layers) && layers > 0 && layers < 10000 && Array.isArray(pieces) && pieces.every(isText) && Array.isArray(depths) &&
    depths.length === pieces.length && depths.every(depth) && Array.isArray(revived) &&
    revived.every((event) => Array.isArray(event) && Number.isInteger(event[0]) && event[0] >= 0 && pieces[event[1]] !== undefined && depth(event[2]));
  const kept = whole ? {usage: end.usage, timings: end.timings, lazy: {...end.lazy, tokens: readable ? tokens : undefined}} : null;
  return {text, thoughts, note, finished: true, end: kept, timings: null, firstWord_ms: 0};
}

/** The conversations of a file. Throws an Error with a sentence if it holds none. */
export function fromJson(text) {
  let read = null;
  try {
    read = JSON.parse(text);
  } catch {
    // Said below.
  }
  if (read?.format !== FORMAT) throw new Error('This file holds no conversations of lazyllm.');
  if (read.version !== VERSION) throw new Error(`This file is of version ${Number(read.version) || 'unknown'}; this page reads version ${VERSION}.`);
  const chats = read.conversations;
  if (!Array.isArray(chats) || !chats.every(isChat)) throw new Error('A conversation in this file is damaged. Nothing was taken from it.');
  const document = ({name, text: content}) => ({name, text: content, tokens: null});
  return chats.map(({id, changed, draft, documents = [], turns}) => ({
    id, changed: Number.isFinite(changed) ? changed : 0, draft: isText(draft) ? draft : '', documents: documents.map(document),
    turns: turns.map((turn) => ({question: turn.question, documents: turn.documents.map((held) => ({...document(held), tokens: Number.isFinite(held.tokens) ? held.tokens : null})),
      answer: checkedAnswer(turn.answer), dense: turn.dense ? checkedAnswer(turn.dense) : null})),
  }));
}
