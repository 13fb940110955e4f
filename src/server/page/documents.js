// SPDX-License-Identifier: Apache-2.0
// The documents that go with the next question: chosen or dropped, checked, counted, removable.

import {convertedText, countTokens} from './api.js';
import {byId, element} from './dom.js';
import * as format from './format.js';

const LARGEST_FILE = 8 << 20;  // bytes; what the server takes unless it is told otherwise

// Texts that are better read converted; what is no text at all is converted anyway.
const CONVERTED = /\.(rtf|html?|xhtml)$/i;

/** The text of a file: itself, or as the server converts it. Throws an Error with a sentence if there is none. */
async function readText(file) {
  if (file.size > LARGEST_FILE) {
    throw new Error(`${file.name} is larger than ${LARGEST_FILE >> 20} MB. Take a part of it.`);
  }
  let bytes;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    throw new Error(`${file.name} cannot be read. Is it a folder, or has it moved?`);
  }
  let text = null;
  try {
    text = new TextDecoder('utf-8', {fatal: true}).decode(bytes);
  } catch {
    // The server knows other encodings, too.
  }
  const converts = text === null || text.includes('\0') || text.startsWith('%PDF-') || CONVERTED.test(file.name);
  if (converts) {
    try {
      text = await convertedText(file);
    } catch (error) {
      throw new Error(error.message.includes(file.name) ? error.message : `${file.name}: ${error.message}`);
    }
  }
  if (text.trim() === '') throw new Error(`${file.name} is empty.`);
  return text;
}

/** A chip with the document's name and size; with `remove`, a button for that. */
export function chip(document, remove) {
  const made = element('li', {className: 'chip'}, element('span', {className: 'name', textContent: document.name}),
    element('span', {className: 'size', textContent: document.tokens !== null ? format.tokens(document.tokens) : remove ? 'counting …' : ''}));
  if (remove) {
    made.append(element('button', {type: 'button', className: 'remove', textContent: '×', title: `Remove ${document.name}`,
      ariaLabel: `Remove ${document.name}`, onclick: remove}));
  }
  return made;
}

export class Documents {
  /** `changed()` after every change; `refused(sentence)` for what is no text. */
  constructor({changed, refused}) {
    this.list = [];
    this.changed = changed;
    this.refused = refused;
    byId('files').addEventListener('change', async (event) => {
      const chosen = [...event.target.files];
      event.target.value = '';  // the same file may be chosen again
      await this.add(chosen);
    });
    this.acceptDrops();
  }

  get tokens() {
    return this.list.reduce((sum, document) => sum + (document.tokens ?? 0), 0);
  }

  acceptDrops() {
    const veil = byId('drop');
    const holdsFiles = (event) => event.dataTransfer?.types.includes('Files');
    window.addEventListener('dragover', (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      veil.hidden = false;
    });
    window.addEventListener('dragleave', (event) => {
      if (event.relatedTarget === null) veil.hidden = true;
    });
    window.addEventListener('drop', (event) => {
      veil.hidden = true;
      if (!holdsFiles(event)) return;
      event.preventDefault();
      this.add([...event.dataTransfer.files]);
    });
  }

  async add(files) {
    const refusals = [];
    for (const file of files) {
      try {
        const document = {name: file.name, text: await readText(file), tokens: null};
        this.list.push(document);
        this.show();
        this.count(document);
      } catch (error) {
        refusals.push(error.message);
      }
    }
    if (refusals.length > 0) this.refused(refusals.join(' '));
  }

  async count(document) {
    try {
      document.tokens = await countTokens(document.text);
      this.show();
    } catch {
      document.tokens = Math.ceil(document.text.length / 4);  // the server says the rest when the question is sent
      this.show();
    }
  }

  remove(document) {
    this.list = this.list.filter((other) => other !== document);
    this.show();
  }

  /** Hands the documents over to a message. */
  take() {
    const taken = this.list;
    this.list = [];
    this.show();
    return taken;
  }

  giveBack(documents) {
    this.list = [...documents, ...this.list];
    this.show();
    documents.filter(({tokens}) => tokens === null).forEach((document) => this.count(document));
  }

  /** Instead of those that are here. */
  replace(documents) {
    this.list = [];
    this.giveBack(documents);
  }

  show() {
    const removeAndStay = (document) => () => {
      this.remove(document);
      byId('question').focus();
    };
    byId('documents').replaceChildren(...this.list.map((document) => chip(document, removeAndStay(document))));
    this.changed();
  }
}
