// SPDX-License-Identifier: Apache-2.0
// The list of kept conversations: open, delete, save as a file, bring back from one.

import {announce} from './announcer.js';
import {byId, element} from './dom.js';
import * as exporting from './exporting.js';
import * as store from './store.js';

const date = new Intl.DateTimeFormat('en', {dateStyle: 'medium', timeStyle: 'short'});

export class ChatsDialog {
  /** `current()`: id of the open one; `keep()` writes it; `open(chat)` shows another; `removed(id)`: it is gone. */
  constructor({current, keep, open, removed}) {
    Object.assign(this, {current, keep, openChat: open, removed});
    this.dialog = byId('chats-dialog');
    byId('chats').addEventListener('click', () => this.show());
    byId('chats-close').addEventListener('click', () => this.dialog.close());
    byId('export-all').addEventListener('click', async () => {
      exporting.download('lazyllm-conversations.json', exporting.asJson(await store.all()), 'application/json');
    });
    byId('import').addEventListener('change', (event) => this.bringBack(event.target));
  }

  async show() {
    this.say('');
    await this.keep();
    await this.draw();
    this.dialog.showModal();
  }

  say(sentence) {
    byId('chats-notice').textContent = sentence;
  }

  async draw() {
    const chats = await store.all();
    byId('chats-none').hidden = chats.length > 0;
    byId('export-all').hidden = chats.length === 0;
    byId('chats-list').replaceChildren(...chats.map((chat) => this.item(chat)));
  }

  item(chat) {
    const title = exporting.titleOf(chat);
    const open = element('button', {type: 'button', className: 'chat-open', onclick: () => this.choose(chat)},
      element('span', {className: 'chat-title', textContent: title}),
      element('span', {className: 'chat-date', textContent: date.format(chat.changed)}));
    if (chat.id === this.current()) open.ariaCurrent = 'true';
    const save = element('button', {type: 'button', className: 'button quiet', textContent: 'Save', ariaLabel: `Save as a text: ${title}`, title: 'Save as a text',
      onclick: () => exporting.download('conversation.md', exporting.asMarkdown(chat), 'text/markdown')});
    const remove = element('button', {type: 'button', className: 'button quiet', textContent: 'Delete', ariaLabel: `Delete: ${title}`,
      onclick: () => this.remove(chat, title)});
    return element('li', {}, open, save, remove);
  }

  choose(chat) {
    this.dialog.close();
    if (chat.id !== this.current()) this.openChat(chat);
  }

  async remove(chat, title) {
    await store.remove(chat.id);
    this.removed(chat.id);
    await this.draw();
    announce(`Deleted: ${title}`);
    byId('chats-title').focus();
  }

  async bringBack(field) {
    const [file] = field.files;
    field.value = '';
    if (!file) return;
    try {
      const chats = exporting.fromJson(await file.text());
      const here = new Set((await store.all()).map(({id}) => id));
      const missing = chats.filter(({id}) => !here.has(id));
      for (const chat of missing) await store.keep(chat);
      await this.draw();
      this.say(missing.length === chats.length ? `${chats.length} brought back.` : `${missing.length} brought back; the others were here already.`);
    } catch (error) {
      this.say(error.message);
    }
  }
}
