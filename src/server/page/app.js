// SPDX-License-Identifier: Apache-2.0
// Puts the page together: documents and a question become a chat completion, its stream a turn on the page.
//
// The documents stand before the first question, in its message, as `lazyllm run -f` puts them. They stay there in later
// turns, so the server finds what it computed for them.

import {announce} from './announcer.js';
import * as api from './api.js';
import {Documents} from './documents.js';
import {byId, debounced} from './dom.js';
import * as format from './format.js';
import {ReadAhead} from './read_ahead.js';
import {ReadingView} from './reading_view.js';
import {Settings} from './settings.js';
import {Turn} from './turn.js';

const TURN_OVERHEAD = 12;  // tokens of a template around a message, roughly

const question = byId('question');
let context = 0;        // most tokens of a prompt with its answer
let turns = [];         // answered, in order
let asking = null;      // the turn whose answer is under way
let running = null;     // its AbortController
let questionTokens = 0;
let chats = 0;          // started so far

const wide = matchMedia('(min-width: 64rem)');
const reading = new ReadingView({
  closed() {
    coverConversation(false);
    (returnFocus ?? question).focus();
  },
});
let returnFocus = null;

/** On a narrow screen the reading view lies over all else. */
function coverConversation(covered) {
  for (const id of ['bar', 'main']) byId(id).inert = covered;
}

const readAhead = new ReadAhead({body: readingBody, changed: showReadingAhead});
const documents = new Documents({changed: promptChanged, refused: showNotice});
const settings = new Settings({changed: promptChanged});

function showNotice(sentence) {
  byId('notice').textContent = sentence;
  byId('notice').hidden = sentence === '';
}

// --- size ---

/** Tokens of the next prompt, about. */
function promptTokens() {
  const before = turns.reduce((sum, turn) => turn.totalTokens ?? sum + turn.roughTokens, 0);
  return before + documents.tokens + questionTokens + TURN_OVERHEAD;
}

function showFit() {
  const prompt = promptTokens();
  const over = context > 0 && prompt >= context;
  const used = documents.list.length > 0 || turns.length > 0 || questionTokens > 0;
  byId('fit').classList.toggle('over', over);
  if (over) {
    byId('fit').textContent = `About ${format.tokens(prompt)}, but the model holds ${format.count(context)}. ` +
      (turns.length > 0 ? 'Start a new chat or remove a document.' : 'Remove a document or take a part of it.');
  } else {
    byId('fit').textContent = used && context > 0 ? `About ${format.count(prompt)} of ${format.tokens(context)}` : '';
  }
  return !over;
}

function promptChanged() {
  showFit();
  readAhead?.update();
}

/** What can be read before the question is there: null while nothing can. */
function readingBody() {
  const ready = documents.list.length > 0 && documents.list.every(({tokens}) => tokens !== null);
  if (!ready || running || context === 0 || !showFit()) return null;
  const body = {...settings.body(), messages: messagesFor('', documents.list)};
  delete body.lazy.report;
  return body;
}

function showReadingAhead(share) {
  byId('ahead').textContent = share === null ? '' : share < 1 ? `Reading ahead, ${format.percent(share)}` : 'Read. Ask away.';
}

const countQuestion = debounced(async () => {
  const text = question.value;
  try {
    questionTokens = text.trim() === '' ? 0 : await api.countTokens(text);
  } catch {
    questionTokens = Math.ceil(text.length / 4);  // the server says the rest when the question is sent
  }
  showFit();
}, 300);

// --- asking ---

function messagesFor(asked, attached) {
  const content = [...attached.map(({text}) => text.replace(/\n+$/, '')), asked].join('\n\n');
  return [...turns.flatMap((turn) => [{role: 'user', content: turn.content}, {role: 'assistant', content: turn.answer}]),
    {role: 'user', content}];
}

function setRunning(controller, turn = null) {
  running = controller;
  asking = turn;
  byId('stop').hidden = controller === null;
  byId('send').hidden = controller !== null;
  byId('conversation').ariaBusy = String(controller !== null);
}

const isAtEnd = (scroller) => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;

async function ask() {
  const asked = question.value.trim();
  showNotice('');
  if (running || asked === '') return;
  if (context === 0) await connect();  // the server was away or the key was missing
  if (context === 0) return;
  if (documents.list.some(({tokens}) => tokens === null)) return showNotice('The documents are still being counted.');
  if (!showFit()) return showNotice(byId('fit').textContent);
  if (!byId('composer').reportValidity()) return;

  document.querySelectorAll('.turn.failed').forEach((turn) => turn.remove());
  const attached = documents.take();
  const messages = messagesFor(asked, attached);
  const turn = new Turn(asked, attached, openReading);
  turn.content = messages.at(-1).content;
  byId('welcome').hidden = true;
  byId('turns').append(turn.element);
  question.value = '';
  questionChanged();
  turn.element.scrollIntoView({block: 'end'});
  announce('Reading the prompt.');
  await stream(turn, {...settings.body(), messages, return_progress: true, stream_options: {include_usage: true}});
}

async function stream(turn, body) {
  setRunning(new AbortController(), turn);
  const scroller = byId('conversation');
  const chat = chats;
  try {
    await readAhead.done(running.signal);
    for await (const chunk of api.streamChat(body, running.signal)) {
      const follow = isAtEnd(scroller);
      turn.take(chunk);
      if (follow) scroller.scrollTop = scroller.scrollHeight;
    }
    turn.finish();
    turns.push(turn);
  } catch (error) {
    if (chat !== chats) {
      turn.finish();
    } else if (error.name === 'AbortError' && turn.answer !== '') {
      turn.finish('Stopped.');
      turns.push(turn);
    } else {
      takeBack(turn);
      turn.fail(error.name === 'AbortError' ? 'Stopped before the first word.' : error.message);
    }
  }
  const hadFocus = document.activeElement === byId('stop');
  setRunning(null);
  if (hadFocus) question.focus();
  scroller.scrollTop = scroller.scrollHeight;
  showFit();
  if (turn.end?.lazy.tokens && wide.matches) {
    returnFocus = null;
    showReading(turn);
  }
}

/** What was not answered can be asked again. */
function takeBack(turn) {
  documents.giveBack(turn.documents);
  if (question.value === '') question.value = turn.question;
  questionChanged();
}

function newChat() {
  const kept = [...turns, ...(asking ? [asking] : [])].flatMap((turn) => turn.documents);
  chats += 1;
  running?.abort();
  turns = [];
  byId('turns').replaceChildren();
  byId('welcome').hidden = false;
  reading.close();
  documents.giveBack(kept);
  showNotice('');
  question.focus();
}

// --- the reading view ---

function showReading(turn) {
  reading.open(turn.question, turn.end);
}

function openReading(turn) {
  returnFocus = document.activeElement;
  showReading(turn);
  coverConversation(!wide.matches);
  byId('reading-title').focus();
}

wide.addEventListener('change', () => {
  coverConversation(reading.isOpen && !wide.matches);
});

// --- the composer ---

function questionChanged() {
  question.style.setProperty('height', 'auto');
  question.style.setProperty('height', `${question.scrollHeight}px`);
  countQuestion();
}

question.addEventListener('input', questionChanged);
question.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask();
});
byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  ask();
});
byId('stop').addEventListener('click', () => running?.abort());
byId('new-chat').addEventListener('click', newChat);

// --- the key ---

let keyAsked = null;  // requests that are refused at the same time share one dialog

function askForKey(refused) {
  keyAsked ??= showKeyDialog(refused).finally(() => {
    keyAsked = null;
  });
  return keyAsked;
}

function showKeyDialog(refused) {
  const dialog = byId('key-dialog');
  byId('key').value = '';
  byId('key-title').textContent = refused ? 'The server refused this key' : 'This server wants a key';
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      const key = byId('key').value.trim();
      byId('key').value = '';
      const given = dialog.returnValue === 'use' && key !== '';
      byId('forget-key').hidden = !given;
      resolve(given ? key : null);
    }, {once: true});
    dialog.returnValue = '';
    dialog.showModal();
  });
}

byId('key-cancel').addEventListener('click', () => byId('key-dialog').close());
byId('forget-key').hidden = api.storedKey() === null;
byId('forget-key').addEventListener('click', () => {
  api.forgetKey();
  byId('forget-key').hidden = true;
});

// --- start ---

async function connect() {
  try {
    const [properties, models] = [await api.properties(), await api.models()];
    context = properties.n_ctx;
    byId('model-name').textContent = properties.model;
    byId('model-context').textContent = ` · context of ${format.tokens(context)}`;
    settings.offer({models, ...properties.lazy, defaults: properties.default_lazy});
    showNotice('');
  } catch (error) {
    byId('model-name').textContent = 'Not connected';
    if (error.status === 503) setTimeout(connect, 1000);  // still loading the model
    showNotice(error.message);
  }
}

api.onKeyWanted(askForKey);
connect();
