// SPDX-License-Identifier: Apache-2.0
// The whole prompt as a strip beside its text: where the deep tokens lie, and what is in sight.

import {oncePerFrame} from './dom.js';

export class Minimap {
  constructor(canvas, text) {
    this.canvas = canvas;
    this.text = text;
    this.draw = oncePerFrame(() => this.drawNow());
    new ResizeObserver(this.draw).observe(canvas);
    text.host.addEventListener('scroll', this.draw, {passive: true});
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', this.draw);
    const go = (event) => {
      if (event.buttons !== 1) return;
      const share = event.offsetY / canvas.clientHeight;
      text.host.scrollTop = share * text.host.scrollHeight - text.host.clientHeight / 2;
    };
    canvas.addEventListener('pointerdown', go);
    canvas.addEventListener('pointermove', go);
  }

  show(layer) {
    this.layer = layer;
    this.draw();
  }

  /** Mean strength and share of revived tokens for each row of pixels. */
  rows(count) {
    const {depths, host} = this.text;
    const strengths = new Map(depths.levels.map((depth) => [depth, depth >= this.layer ? depths.strength(depth) : 0]));
    const sums = new Float32Array(count), revived = new Float32Array(count), tokens = new Float32Array(count);
    const scale = count / Math.max(host.scrollHeight, 1);
    for (const {begin, end, top, height} of this.text.layout()) {
      for (let index = begin; index < end; ++index) {
        const y = (top + (height * (index - begin)) / (end - begin)) * scale;
        const row = Math.min(Math.floor(y), count - 1);
        tokens[row] += 1;
        sums[row] += strengths.get(depths.depths[index]);
        if (depths.revivedAt.has(index)) revived[row] += 1;
      }
    }
    return {sums, revived, tokens};
  }

  drawNow() {
    const {canvas, text} = this;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!text.depths || width === 0 || height === 0) return;
    canvas.width = width;
    canvas.height = height;
    const style = getComputedStyle(canvas);
    const context = canvas.getContext('2d');
    const {sums, revived, tokens} = this.rows(height);
    for (let row = 0; row < height; ++row) {
      if (tokens[row] === 0) continue;
      context.globalAlpha = Math.min(1, 0.06 + sums[row] / tokens[row]);
      context.fillStyle = style.getPropertyValue('--deep-mark');
      context.fillRect(0, row, width, 1);
      if (revived[row] === 0) continue;
      context.globalAlpha = 1;
      context.fillStyle = style.getPropertyValue('--revived-mark');
      context.fillRect(width * 0.6, row, width * 0.4, ratio);
    }
    context.globalAlpha = 1;
    context.strokeStyle = style.getPropertyValue('--muted');
    context.lineWidth = ratio;
    const scale = height / Math.max(text.host.scrollHeight, 1);
    context.strokeRect(ratio / 2, text.host.scrollTop * scale + ratio / 2, width - ratio, text.host.clientHeight * scale - ratio);
  }
}
