// SPDX-License-Identifier: Apache-2.0
// The controls under the question: how the prompt is read and how the answer is written. Kept in localStorage.

import {byId, element} from './dom.js';
import {Skipping} from './skipping.js';

const STORE = 'lazyllm.settings';
const OWN = 'own';  // a schedule that the user writes
const OFF = 'off';  // nothing is skipped

const DEFAULTS = {
  model: '', policy: '', preset: '', schedule: '', protectFirst: '', protectLast: '', reviveBudget: '', minPrompt: '',
  temperature: '0', maxTokens: '512', loops: 'stop',
};
const FIELDS = {
  model: 'model-choice', policy: 'policy', preset: 'preset', schedule: 'schedule', protectFirst: 'protect-first',
  protectLast: 'protect-last', reviveBudget: 'revive-budget', minPrompt: 'min-prompt', temperature: 'temperature',
  maxTokens: 'max-tokens', loops: 'loops',
};
const POINT = String.raw`\d+\s*:\s*(0?\.\d+|0|1(\.0*)?)`;
const SCHEDULE = new RegExp(String.raw`^\s*${POINT}(\s*,\s*${POINT})*\s*$`);

function load() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE)) ?? {};
    const known = Object.keys(DEFAULTS).filter((key) => typeof stored[key] === 'string');
    return {...DEFAULTS, ...Object.fromEntries(known.map((key) => [key, stored[key]]))};
  } catch {
    return {...DEFAULTS};
  }
}

const number = (text) => (text === '' ? undefined : Number(text));

function fill(select, options) {
  select.replaceChildren(...options.map(([value, label]) => element('option', {value, textContent: label})));
}

export class Settings {
  /** `changed()` after every change. */
  constructor({changed}) {
    this.changed = changed;
    this.values = load();
    this.policies = [];
    this.presets = [];
    for (const [key, id] of Object.entries(FIELDS)) {
      byId(id).addEventListener('input', () => {
        this.values[key] = byId(id).value.trim();
        this.keep();
      });
    }
    byId('defaults').addEventListener('click', () => {
      this.values = {...DEFAULTS};
      this.keep();
    });
    byId('schedule').addEventListener('input', () => this.checkSchedule());
    this.skipping = new Skipping({
      chosen: (preset) => {
        Object.assign(this.values, {policy: '', preset});
        this.keep();
      },
    });
  }

  /** What the server offers, and what it does unless told otherwise. */
  offer({models, policies, presets, defaults}) {
    this.policies = policies;
    this.presets = presets;
    this.serverDefaults = defaults;
    this.skipping.offer(presets.map(({name}) => name), Boolean(defaults.profile));
    fill(byId('model-choice'), models.map((id) => [id, id]));
    byId('model-field').hidden = models.length < 2;
    if (!models.includes(this.values.model)) this.values.model = models[0] ?? '';
    fill(byId('policy'), [['', `default (${defaults.policy})`], ...policies.map(({name}) => [name, name])]);
    if (!policies.some(({name}) => name === this.values.policy)) this.values.policy = '';
    this.show();
  }

  get policy() {
    if (this.values.preset === OFF) return 'dense';
    return this.values.policy || this.serverDefaults?.policy;
  }

  /** What the control of Skipping stands at; null if Expert says more than it can. */
  get skips() {
    const {policy, preset} = this.values;
    if (policy === 'dense' || preset === OFF) return OFF;
    if (preset === OWN || (policy !== '' && policy !== 'lazy')) return null;
    if (preset !== '') return this.presets.some(({name}) => name === preset) ? preset : null;
    const {policy: usual, profile, prune} = this.serverDefaults ?? {};
    if (usual === 'dense') return OFF;
    return profile ? '' : this.presets.some(({name}) => name === prune) ? prune : null;
  }

  keep() {
    try {
      localStorage.setItem(STORE, JSON.stringify(this.values));
    } catch {
      // Storage may be full or forbidden; the settings then last as long as the page.
    }
    this.show();
  }

  show() {
    this.offerSchedules();
    for (const [key, id] of Object.entries(FIELDS)) {
      if (byId(id).value.trim() !== this.values[key]) byId(id).value = this.values[key];
    }
    const dense = this.policy === 'dense';
    for (const id of ['schedule', 'protect-first', 'protect-last', 'revive-budget', 'min-prompt']) byId(id).disabled = dense;
    this.skipping.show(this.skips);
    byId('schedule-field').hidden = dense || this.values.preset !== OWN;
    this.showDefaults();
    byId('policy-summary').textContent = this.policies.find(({name}) => name === this.policy)?.summary ?? '';
    byId('preset-summary').textContent = dense ? '' : this.scheduleInWords();
    byId('settings-summary').textContent = this.inWords();
    this.changed();
  }

  /** Presets are schedules of policy lazy; the others have one default each. */
  offerSchedules() {
    const presets = this.values.preset === OFF || this.policy === 'lazy' ? this.presets.map(({name}) => [name, name]) : [];
    const usual = this.policy === this.serverDefaults?.policy ? ` (${this.serverDefaults.prune})` : '';
    const offered = [['', `default${usual}`], ...presets, [OFF, OFF], [OWN, 'own …']];
    if (!offered.some(([value]) => value === this.values.preset)) this.values.preset = '';
    fill(byId('preset'), offered);
    byId('preset').value = this.values.preset;
  }

  /** The preset in force: an own schedule and the other policies take all but the schedule from the first one. */
  get preset() {
    const name = this.values.preset === '' || this.values.preset === OWN ? this.serverDefaults?.prune : this.values.preset;
    return this.presets.find((preset) => preset.name === name) ?? this.presets[0];
  }

  /** An empty field says what it stands for. */
  showDefaults() {
    const members = {'protect-first': 'protect_first', 'protect-last': 'protect_last', 'revive-budget': 'revive_budget', 'min-prompt': 'min_prompt'};
    for (const [id, member] of Object.entries(members)) {
      byId(id).placeholder = String(this.serverDefaults?.[member] ?? this.preset?.[member] ?? 'default');
    }
  }

  scheduleInWords() {
    if (this.values.preset === OWN) return 'Own schedule: LAYER:SHARE, …; after that layer this share of the tokens goes on.';
    const {profile, prune} = this.serverDefaults ?? {};
    if (profile && this.policy === 'lazy' && this.values.preset === '') return `Found for this model by lazyllm tune (${prune}: where : share that is read on)`;
    const {preset} = this;
    if (preset && this.policy === 'lazy') return preset.schedule ? `${preset.summary} (${preset.schedule}: where : share that is read on)` : preset.summary;
    return this.policies.find(({name}) => name === this.policy)?.default_schedule ?? '';
  }

  inWords() {
    const v = this.values;
    const schedule = v.preset === OWN ? v.schedule || 'own schedule' : v.preset;
    const method = this.skips === null ? [this.policy, schedule].filter(Boolean).join(' ') : '';
    return ['Expert', method, `temperature ${v.temperature || 'default'}`, `up to ${v.maxTokens || 'all'} tokens`].filter(Boolean).join(' · ');
  }

  checkSchedule() {
    const field = byId('schedule');
    const bad = field.value !== '' && !SCHEDULE.test(field.value);
    field.setCustomValidity(bad ? 'Write LAYER:SHARE, ... with shares from 0 to 1. 19:0.1 keeps a tenth after layer 19.' : '');
  }

  /** The longest answer wanted; undefined: as long as it gets. */
  get maxTokens() {
    return number(this.values.maxTokens);
  }

  /** The most likely word each time is how small models get into circles. */
  get stopsLoops() {
    return this.values.loops === 'stop' && Number(this.values.temperature) <= 0;
  }

  /** Members of a chat completion's body. Unset ones are left to the server. */
  body() {
    const v = this.values;
    const dense = this.policy === 'dense';
    const budget = v.reviveBudget;
    return {
      model: v.model || undefined,
      temperature: number(v.temperature),
      max_tokens: this.maxTokens,
      lazy: {
        policy: v.preset === OFF ? 'dense' : v.policy || undefined,
        plan: v.policy || v.preset === OWN || dense ? undefined : 'auto',
        ...(dense ? {} : {
          prune: (v.preset === OWN ? v.schedule.replaceAll(/\s/g, '') : v.preset) || undefined,
          protect_first: number(v.protectFirst),
          protect_last: number(v.protectLast),
          revive_budget: budget === 'all' || budget === 'none' ? budget : number(budget),
          min_prompt: number(v.minPrompt),
        }),
        report: 'tokens',
      },
    };
  }
}
