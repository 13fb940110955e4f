// SPDX-License-Identifier: Apache-2.0
// What an answer cost, beside what it would have cost without skipping.

import {element} from './dom.js';
import * as format from './format.js';

function figure(name, value, title = '') {
  return element('div', {title}, element('dt', {textContent: name}), element('dd', {textContent: value}));
}

const speed = (perSecond) => `${perSecond.toFixed(1)} tokens/s`;

/** The figures of an answer in one line. `end`: the last chunk of the stream. */
export function figureList({lazy, timings}) {
  const list = element('dl', {className: 'figures'});
  const dense = lazy.dense_cached_ttft_ms_estimate;
  list.append(figure('First word after', format.seconds(lazy.ttft_ms)));
  if (lazy.policy !== 'dense' && dense > 0) {
    list.append(figure('Without skipping, about', format.seconds(dense)), figure('Speed-up', `${(dense / lazy.ttft_ms).toFixed(1)}×`));
  }
  list.append(figure('Work done', format.percent(lazy.computed_fraction), 'of the usual work, before the first word'));
  if (lazy.cached_tokens > 0) list.append(figure('Known already', format.tokens(lazy.cached_tokens), 'read for an earlier question'));
  if (timings?.predicted_per_second > 0) list.append(figure('Writing', speed(timings.predicted_per_second)));
  return list;
}

/** The figures of an answer that was cut off: what came before the end, or null. */
export function partialFigures({text, timings, firstWord_ms}) {
  if (text === '') return null;
  const list = element('dl', {className: 'figures'});
  list.append(figure('First word after', format.seconds(firstWord_ms)));
  if (timings) {
    list.append(figure('Written', format.tokens(timings.predicted_n)));
    if (timings.cache_n > 0) list.append(figure('Known already', format.tokens(timings.cache_n), 'read for an earlier question'));
    if (timings.predicted_per_second > 0) list.append(figure('Writing', speed(timings.predicted_per_second)));
  }
  return list;
}

function race(name, time, longest, kind) {
  const bar = element('span', {className: `bar ${kind}`});
  bar.style.setProperty('--length', `${(100 * time) / longest}%`);
  return element('div', {className: 'race'}, element('span', {textContent: name}), element('span', {className: 'track'}, bar),
    element('span', {textContent: format.seconds(time)}));
}

/** Two bars: the time to the first token, and dense's. */
export function speedComparison({lazy}) {
  const dense = lazy.dense_cached_ttft_ms_estimate;
  const shown = document.createDocumentFragment();
  if (lazy.policy === 'dense' || !(dense > 0)) {
    const cached = lazy.cached_tokens > 0 ? ` ${format.tokens(lazy.cached_tokens)} were known already.` : '';
    const skipped = lazy.policy === 'dense' ? ' Nothing was skipped.' : '';
    shown.append(element('p', {textContent: `First word after ${format.seconds(lazy.ttft_ms)}.${skipped}${cached}`}));
    return shown;
  }
  const longest = Math.max(lazy.ttft_ms, dense);
  const done = `${format.percent(lazy.computed_fraction)} of the usual work before the first word, ` +
    `${format.percent(lazy.computed_fraction_end)} at the end.`;
  const cached = lazy.cached_tokens > 0 ? ` ${format.tokens(lazy.cached_tokens)} were known already.` : '';
  shown.append(
    race(`${lazy.policy} ${lazy.schedule}`, lazy.ttft_ms, longest, 'lazy'), race('without skipping, about', dense, longest, 'dense'),
    element('p', {}, element('strong', {textContent: `First word ${format.sooner(lazy.ttft_ms, dense)}. `}), done + cached));
  return shown;
}
