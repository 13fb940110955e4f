// SPDX-License-Identifier: Apache-2.0
// Puts the page together: documents and a question become a chat completion, its stream a turn on the page.
//
// The documents stand before the first question, in its message, as `lazyllm run -f` puts them. They stay there in later
// turns, so the server finds what it computed for them.

import {announce} from './announcer.js';
import {Answer} from './answer.js';
import {Asking} from './asking.js';
import {Chat, messagesOf} from './chat.js';
import {ChatsDialog} from './chats_dialog.js';
import {Composer} from './composer.js';
import {Connection} from './connection.js';
import {Documents} from './documents.js';
import {byId} from './dom.js';
import * as format from './format.js';
import {useKeyDialog} from './key_dialog.js';
import {ReadAhead} from './read_ahead.js';
import {ReadingView} from './reading_view.js';
import {Settings} from './settings.js';
import {contentOf, Turn} from './turn.js';

const TURN_OVERHEAD = 12;  // tokens of a template around a message, roughly
const GO_ON = 'Please go on.';

let context = 0;     // most tokens of a prompt with its answer; 0: no server yet
let editing = null;  // the turn whose question is in the composer

const actions = {read: openReading, retry, edit, compare, goOn: () => send(GO_ON, [])};
const composer = new Composer({send: ask, changed: promptChanged});
const chat = new Chat({
  actions,
  draft: () => editing ? {question: '', documents: []} : {question: composer.text, documents: documents.list},
  unkept: () => showNotice('This browser keeps nothing for this page: conversations are lost when it is closed.'),
});
const asking = new Asking({changed: showRunning, grows: () => chat.keepSoon(), ready: (signal) => readAhead.done(signal)});
asking.brokeOff = (error) => {
  if (error.isAway) connection.lost();
};
const readAhead = new ReadAhead({body: readingBody, changed: showReadingAhead});
const documents = new Documents({changed: promptChanged, refused: showNotice});
const settings = new Settings({changed: promptChanged});
const connection = new Connection({found: connected, waiting: showConnection, failed: (error) => showConnection(error.message)});
const chats = new ChatsDialog({current: () => chat.id, keep: () => chat.keep(), open: openChat, removed: (id) => {
  if (id === chat.id) startChat([]);
}});

function showNotice(sentence) {
  byId('notice').textContent = sentence;
  byId('notice').hidden = sentence === '';
}

// --- the server ---

function showConnection(sentence) {
  byId('connection').textContent = sentence;
  byId('connection').hidden = sentence === '';
  if (sentence !== '' && context === 0) byId('model-name').textContent = 'Not connected';
}

function connected({properties, models}) {
  context = properties.n_ctx;
  byId('model-name').textContent = properties.model;
  byId('model-context').textContent = ` · context of ${format.tokens(context)}`;
  settings.offer({models, ...properties.lazy, defaults: properties.default_lazy});
}

// --- size ---

const earlier = () => editing ? chat.before(editing) : chat.turns;

/** Tokens of the next prompt, about. */
function promptTokens() {
  const before = earlier().reduce((sum, turn) => turn.totalTokens ?? sum + turn.roughTokens, 0);
  return before + documents.tokens + composer.tokens + TURN_OVERHEAD;
}

function showFit() {
  const prompt = promptTokens();
  const over = context > 0 && prompt >= context;
  const used = documents.list.length > 0 || chat.turns.length > 0 || composer.tokens > 0;
  byId('fit').classList.toggle('over', over);
  if (over) {
    byId('fit').textContent = `About ${format.tokens(prompt)}, but the model holds ${format.count(context)}. ` +
      (chat.turns.length > 0 ? 'Start a new chat or remove a document.' : 'Remove a document or take a part of it.');
  } else {
    byId('fit').textContent = used && context > 0 ? `About ${format.count(prompt)} of ${format.tokens(context)}` : '';
  }
  return !over;
}

function promptChanged() {
  showFit();
  readAhead?.update();
  chat?.keepSoon();
}

/** What can be read before the question is there: null while nothing can. */
function readingBody() {
  const ready = documents.list.length > 0 && documents.list.every(({tokens}) => tokens !== null);
  if (!ready || asking.isRunning || context === 0 || !showFit()) return null;
  const body = {...settings.body(), messages: [...messagesOf(earlier()), {role: 'user', content: contentOf('', documents.list)}]};
  delete body.lazy.report;
  return body;
}

function showReadingAhead(share) {
  byId('ahead').textContent = share === null ? '' : share < 1 ? `Reading ahead, ${format.percent(share)}` : 'Read. Ask away.';
}

// --- asking ---

function showRunning() {
  const running = asking.isRunning;
  const hadFocus = document.activeElement === byId('stop');
  byId('stop').hidden = !running;
  byId('send').hidden = running;
  document.body.classList.toggle('running', running);
  byId('conversation').ariaBusy = String(running);
  if (!running && hadFocus) composer.focus();
}

async function ask() {
  const asked = composer.text.trim();
  showNotice('');
  if (asking.isRunning || asked === '') return;
  if (context === 0) await connection.connect();  // the server was away or the key was missing
  if (context === 0) return;
  if (documents.list.some(({tokens}) => tokens === null)) return showNotice('The documents are still being counted.');
  if (!showFit()) return showNotice(byId('fit').textContent);
  if (editing) {
    chat.removeFrom(editing);
    setEditing(null);
  }
  const attached = documents.take();
  composer.text = '';
  await send(asked, attached);
}

async function send(question, attached) {
  if (asking.isRunning || !byId('composer').reportValidity()) return;
  const turn = new Turn(question, attached, actions);
  chat.add(turn);
  turn.element.scrollIntoView({block: 'end'});
  announce('Reading the prompt.');
  const {error} = await asking.fetch(turn.answer, {...settings.body(), messages: chat.messages(turn)}, settings);
  if (error) {
    chat.forget(turn);
    takeBack(turn);
    turn.fail(error.message);
    if (error.isAway) connection.lost();
  } else {
    turn.showActions();
  }
  byId('conversation').scrollTop = byId('conversation').scrollHeight;
  showFit();
  await chat.keep();
}

/** What was not answered can be asked again. */
function takeBack(turn) {
  documents.giveBack(turn.documents);
  if (composer.text === '') composer.text = turn.question;
}

function retry(turn) {
  if (asking.isRunning) return;
  chat.removeFrom(turn);
  composer.focus();
  send(turn.question, turn.documents);
}

async function compare(turn) {
  if (asking.isRunning) return;
  const answer = new Answer();
  turn.showBeside(answer);
  turn.showActions();
  const body = {...settings.body(), messages: chat.messages(turn), lazy: {policy: 'dense'}};
  const fetching = asking.fetch(answer, body, settings);
  byId('stop').focus();
  const {error} = await fetching;
  if (error) {
    turn.removeBeside();
    turn.showActions();
    showNotice(error.message);
    if (error.isAway) connection.lost();
  }
  turn.element.scrollIntoView({block: 'nearest'});
  await chat.keep();
}

// --- a question is changed ---

function setEditing(turn) {
  editing = turn;
  byId('editing').hidden = turn === null;
}

function edit(turn) {
  if (asking.isRunning) return;
  if (editing) documents.replace([]);
  setEditing(turn);
  documents.giveBack(turn.documents);
  composer.text = turn.question;
  composer.focus();
}

byId('edit-cancel').addEventListener('click', () => {
  setEditing(null);
  documents.replace([]);
  composer.text = '';
  composer.focus();
});

// --- conversations ---

/** Ends what is under way and keeps the conversation. */
async function leaveChat() {
  await asking.stop();
  await chat.keep();
  setEditing(null);
  reading.close();
  showNotice('');
}

function startChat(kept) {
  Chat.forgetLast();
  chat.clear();
  documents.replace(kept);
  composer.focus();
}

async function openChat(record) {
  await leaveChat();
  const draft = chat.open(record);
  documents.replace(draft.documents);
  composer.text = draft.question;
  byId('conversation').scrollTop = byId('conversation').scrollHeight;
  composer.focus();
}

byId('new-chat').addEventListener('click', async () => {
  await leaveChat();
  startChat([...chat.turns.flatMap((turn) => turn.documents), ...documents.list]);
});

// --- the reading view ---

const wide = matchMedia('(min-width: 64rem)');
let returnFocus = null;
const reading = new ReadingView({
  closed() {
    coverConversation(false);
    (returnFocus?.isConnected ? returnFocus : byId('question')).focus();
  },
});

/** On a narrow screen the reading view lies over all else. */
function coverConversation(covered) {
  for (const id of ['bar', 'main']) byId(id).inert = covered;
}

function openReading(turn, token = null) {
  returnFocus = document.activeElement;
  reading.open(turn.question, turn.answer.record.end, chat.messages(turn).map(({content}) => content), token);
  coverConversation(!wide.matches);
  if (token === null) byId('reading-title').focus();
}

wide.addEventListener('change', () => {
  coverConversation(reading.isOpen && !wide.matches);
});

// --- start ---

useKeyDialog();
connection.connect();
Chat.last().then((record) => {
  if (record && chat.turns.length === 0 && composer.text === '') openChat(record);
});
