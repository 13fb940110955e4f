// SPDX-License-Identifier: Apache-2.0
// The server's endpoints. Errors are ServerErrors with a sentence for people.

import * as format from './format.js';

const KEY_STORE = 'lazyllm.key';

/** `status`: of HTTP; 0 if no server was reached or the connection broke off. `code`: the server's word for the error. */
export class ServerError extends Error {
  constructor(message, status = 0, code = '') {
    super(format.sentence(message));
    this.status = status;
    this.code = code;
  }

  get isAway() {
    return this.status === 0;
  }

  get isLoading() {
    return this.code === 'loading_model';
  }
}

// sessionStorage: the key lives as long as this tab.
export const storedKey = () => sessionStorage.getItem(KEY_STORE);
export const storeKey = (key) => sessionStorage.setItem(KEY_STORE, key);
export const forgetKey = () => sessionStorage.removeItem(KEY_STORE);

let askForKey = async () => null;
/** `ask(refused)` returns a key or null; called when the server answers 401. */
export function onKeyWanted(ask) {
  askForKey = ask;
}

function headers(body) {
  const sent = {};
  if (body !== undefined && !(body instanceof FormData)) sent['Content-Type'] = 'application/json';
  if (storedKey()) sent.Authorization = `Bearer ${storedKey()}`;
  return sent;
}

async function errorOf(response) {
  let message = `The server answered ${response.status} ${response.statusText}`.trim(), code = '';
  try {
    ({message, code} = (await response.json()).error);
  } catch {
    // Not an error object: the status has to do.
  }
  if (!/[.!?]$/.test(message)) message += '.';
  const wait = response.headers.get('Retry-After');
  if (response.status === 503 && wait && !/try again/i.test(message)) message += ` Try again in ${wait} s.`;
  return new ServerError(message, response.status, code);
}

async function request(path, {body, signal} = {}) {
  for (;;) {
    let response;
    try {
      response = await fetch(path, {
        method: body === undefined ? 'GET' : 'POST',
        headers: headers(body),
        body: body === undefined || body instanceof FormData ? body : JSON.stringify(body),
        signal,
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ServerError('The server does not answer. Is it still running?');
    }
    if (response.ok) return response;
    const error = await errorOf(response);
    if (response.status !== 401) throw error;
    const key = await askForKey(storedKey() !== null);
    if (key === null) throw error;
    storeKey(key);
  }
}

export const properties = async () => (await request('/props')).json();

export const models = async () => (await (await request('/v1/models')).json()).data.map((model) => model.id);

/** Number of tokens of a text, without those of the chat template. */
export async function countTokens(content, signal) {
  const response = await request('/tokenize', {body: {content, add_special: false, parse_special: false}, signal});
  return (await response.json()).tokens.length;
}

/** The text of a file that is none itself, such as a PDF: the server converts it, and keeps it among its documents. */
export async function convertedText(file) {
  const form = new FormData();
  form.append('file', file);
  form.append('read_ahead', 'false');  // the page reads ahead, with its own settings
  const {id} = await (await request('/v1/documents', {body: form})).json();
  return (await request(`/v1/documents/${id}/content`)).text();
}

/** The data of server-sent events as they arrive. */
async function* serverSentEvents(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    held += value.replaceAll('\r', '');
    const events = held.split('\n\n');
    held = events.pop();
    for (const event of events) {
      const data = event.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart());
      if (data.length > 0) yield data.join('\n');  // otherwise a comment that keeps the connection open
    }
  }
}

/** Chunks of a streamed chat completion. Ends with a ServerError if the stream breaks off. */
export async function* streamChat(body, signal) {
  const response = await request('/v1/chat/completions', {body: {...body, stream: true}, signal});
  try {
    for await (const data of serverSentEvents(response.body)) {
      if (data === '[DONE]') return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ServerError(chunk.error.message, chunk.error.status ?? 500, chunk.error.code);
      yield chunk;
    }
  } catch (error) {
    if (error.name === 'AbortError' || error instanceof ServerError) throw error;
    throw new ServerError('The connection broke off in the middle of the answer.');
  }
  throw new ServerError('The answer broke off before its end.');
}
