// SPDX-License-Identifier: Apache-2.0
// Text into the clipboard, with a word that it is there.

import {announce} from './announcer.js';
import {element} from './dom.js';

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Pages over plain HTTP from another machine have no clipboard of their own.
  const field = element('textarea', {value: text, className: 'visually-hidden'});
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  if (!done) throw new Error('no clipboard');
}

/** `text()`: what is copied when the button is pressed. */
export function copyButton(text, title) {
  const button = element('button', {type: 'button', className: 'button quiet copy', textContent: 'Copy', title, ariaLabel: title});
  button.addEventListener('click', async () => {
    let said = 'Copied';
    try {
      await copy(text());
    } catch {
      said = 'Not allowed';
    }
    button.textContent = said;
    announce(`${said}.`);
    button.focus();
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 1500);
  });
  return button;
}
