// SPDX-License-Identifier: Apache-2.0
// The reading view: the prompt's text shaded by how deep each token was carried, per layer and per answer step.

import {byId, element} from './dom.js';
import {speedComparison} from './figures.js';
import * as format from './format.js';
import {Minimap} from './minimap.js';
import {templateTokens} from './prompt_parts.js';
import {PromptText} from './prompt_text.js';
import {TokenDepths} from './token_depths.js';

/** Bars of equal width over values of 0 to 1, as one path. */
function drawBars(svg, values) {
  svg.setAttribute('viewBox', `0 0 ${values.length} 1`);
  const path = svg.firstChild ?? svg.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'path'));
  const bars = values.map((value, i) => `M${i + 0.08} 1v${-value}h.84V1z`);
  path.setAttribute('d', bars.join(''));
}

function legendItem(sample, text) {
  return element('li', {}, sample, text);
}

export class ReadingView {
  /** `closed()`: puts the focus back where it came from. */
  constructor({closed}) {
    this.panel = byId('reading');
    this.closed = closed;
    this.text = new PromptText(byId('prompt-text'), (index) => this.showToken(index));
    this.minimap = new Minimap(byId('minimap'), this.text);
    byId('layer').addEventListener('input', () => this.showLayer());
    byId('step').addEventListener('input', () => this.showStep());
    byId('reading-close').addEventListener('click', () => this.close());
    byId('show-template').addEventListener('change', (event) => {
      this.text.foldTemplate(!event.target.checked);
      this.minimap.draw();
    });
    this.panel.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  /** `question` with the last chunk of its answer, {lazy, usage}; `messages`: texts of the prompt that are not the template's;
   *  `token`: where to begin. */
  open(question, end, messages, token = null) {
    const {lazy, usage} = end;
    this.depths = new TokenDepths(lazy.tokens, lazy.layers, usage.completion_tokens);
    this.panel.hidden = false;
    document.body.classList.add('reads');
    byId('reading-of').textContent = question;
    byId('reading-speed').replaceChildren(speedComparison(end));
    const template = templateTokens(lazy.tokens.pieces, messages);
    this.text.show(this.depths, template);
    this.text.foldTemplate(true);
    byId('show-template').checked = false;
    byId('template-field').hidden = !template.includes(1);
    this.setDial('layer', 1, lazy.layers, lazy.layers);
    this.setDial('step', 0, this.depths.steps, 0);
    byId('step-dial').hidden = this.depths.events.length === 0;
    const revived = this.depths.revivedPerStep();
    const most = Math.max(...revived, 1);
    drawBars(byId('step-bars'), [...revived].map((tokens) => tokens / most));
    this.showLegend();
    this.showStep();
    this.showLayer();
    this.showToken(-1);
    if (token !== null) this.text.goTo(token);
  }

  close() {
    if (!this.isOpen) return;
    this.panel.hidden = true;
    document.body.classList.remove('reads');
    this.closed();
  }

  setDial(id, lowest, highest, value) {
    Object.assign(byId(id), {min: lowest, max: highest, value});
    byId(id).parentElement.style.setProperty('--places', highest - lowest + 1);
  }

  showLayer() {
    this.layer = Number(byId('layer').value);
    this.text.shade(this.layer);
    this.minimap.show(this.layer);
    this.showCounts();
  }

  showStep() {
    const step = Number(byId('step').value);
    const newest = [...this.depths.revivedAt].filter(([, at]) => at === this.depths.step || at === step).map(([token]) => token);
    this.text.refresh([...this.depths.goTo(step), ...newest]);
    this.minimap.draw();
    this.showCounts();
  }

  showCounts() {
    const {depths, layer} = this;
    const alive = depths.alive(layer ?? 1);
    const layerText = `${layer} of ${depths.layers}: ${format.count(alive)} of ${format.tokens(depths.size)} (${format.percent(alive / depths.size)})`;
    byId('layer-text').textContent = layerText;
    byId('layer').ariaValueText = `layer ${layerText}`;
    const revived = depths.revivedAt.size;
    const stepText = depths.step === 0 ? 'before the first word' :
      `${depths.step} of ${depths.steps}: ${format.tokens(revived)} brought back`;
    byId('step-text').textContent = stepText;
    byId('step').ariaValueText = stepText;
    const shares = Array.from({length: depths.layers}, (_, i) => depths.alive(i + 1) / depths.size);
    drawBars(byId('layer-bars'), shares);
  }

  showLegend() {
    const {layers, levels, events} = this.depths;
    const items = levels.toReversed().map((depth) => {
      const sample = element('span', {className: 'sample', ariaHidden: 'true'});
      sample.style.setProperty('--share', `${100 * this.depths.strength(depth)}%`);
      return legendItem(sample, depth === layers ? `all ${layers} layers` : depth === 0 ? 'skipped from the start' : `skipped after layer ${depth}`);
    });
    if (events.length > 0) items.push(legendItem(element('span', {className: 'sample revived', ariaHidden: 'true'}), 'brought back while answering'));
    items.push(legendItem(element('span', {className: 'sample unread', ariaHidden: 'true', textContent: 'a'}), 'not read this deep'));
    byId('legend').replaceChildren(...items);
  }

  showToken(index) {
    const shown = byId('token-detail');
    if (index < 0) {
      shown.textContent = 'Point at a token, or use the arrow keys in the text.';
      return;
    }
    const {pieces, depths, layers, size, revivedAt} = this.depths;
    const depth = depths[index];
    const way = depth === layers ? `read by all ${layers} layers` : depth === 0 ? 'skipped from the start' :
      `skipped after layer ${depth} of ${layers}`;
    const revival = revivedAt.has(index) ? `; brought back at step ${revivedAt.get(index)}` : '';
    const piece = pieces[index].replaceAll('\n', '↵').replaceAll('\t', '⇥');
    shown.replaceChildren(element('q', {textContent: piece}), ` token ${format.count(index + 1)} of ${format.count(size)}: ${way}${revival}`);
  }
}
