// SPDX-License-Identifier: Apache-2.0
// The one control that everybody needs: how much is skipped. The rest stands under Expert.

import {byId, element} from './dom.js';

const WORDS = {
  '': ['Measured', 'With the settings that were measured for this model.'],
  careful: ['Careful', 'Skips little.'],
  balanced: ['Balanced', 'Skips more. Try it with your own questions before you trust it.'],
  fast: ['Fast', 'Skips most, and may miss something.'],
  off: ['Off', 'Nothing is skipped: the ordinary model.'],
};

export class Skipping {
  /** `chosen(preset)` when the user chose one: '' for what the server does by itself. */
  constructor({chosen}) {
    this.host = byId('skipping');
    this.host.addEventListener('change', (event) => chosen(event.target.value));
  }

  /** `presets`: names the server knows; `hasProfile`: it has settings measured for the model. */
  offer(presets, hasProfile) {
    const offered = Object.keys(WORDS).filter((name) => name === '' ? hasProfile : name === 'off' || presets.includes(name));
    byId('skipping-choices').replaceChildren(...offered.map((value) => element('label', {className: 'choice'},
      element('input', {type: 'radio', name: 'skipping', value}), element('span', {textContent: WORDS[value][0]}))));
  }

  /** `value`: the preset in force, or null for something that only Expert can say. */
  show(value) {
    for (const radio of this.host.querySelectorAll('input')) radio.checked = radio.value === value;
    byId('skipping-summary').textContent = value === null ? 'As set under Expert.' : WORDS[value]?.[1] ?? '';
  }
}
