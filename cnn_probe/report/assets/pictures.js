// Pictures, maps and latent images on canvases; pictures are decoded when they are first seen.

import { h } from "./dom.js";

const MAGMA = [[0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100], [251, 135, 97], [254, 194, 135], [252, 253, 191]];
// As a canvas has them in its memory, four bytes a pixel.
const COLOURS = new Uint32Array(Uint8Array.from({ length: 1024 }, (_, byte) => {
  const at = (Math.floor(byte / 4) / 255) * (MAGMA.length - 1);
  const below = Math.min(Math.floor(at), MAGMA.length - 2);
  const c = byte % 4;
  return c === 3 ? 255 : Math.round(MAGMA[below][c] + (at - below) * (MAGMA[below + 1][c] - MAGMA[below][c]));
}).buffer);

const waiting = new Map();
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) drawNow(entry.target);
}, { rootMargin: "300px" });

function drawNow(canvas) {
  const paint = waiting.get(canvas);
  waiting.delete(canvas);
  seen.unobserve(canvas);
  canvas.painted = true;
  paint?.();
}

export function drawAll() {
  for (const canvas of [...waiting.keys()]) drawNow(canvas);
}

// Those that wait, but for what stays on the page.
export function forgetDrawings(kept) {
  for (const canvas of [...waiting.keys()].filter((one) => !(kept && kept.contains(one)))) {
    seen.unobserve(canvas);
    waiting.delete(canvas);
  }
}

// A canvas that is painted when it comes near the window; "label" says what is on it.
function canvasOf(width, height, label, paint, props = {}) {
  const canvas = h("canvas", { width, height, role: "img", "aria-label": label, ...props });
  waiting.set(canvas, () => paint(canvas));
  seen.observe(canvas);
  return canvas;
}

// In the page's own memory: on a graphics card each of hundreds of canvases would be a layer of its own.
const penOf = (canvas) => canvas.getContext("2d", { willReadFrequently: true });

const sheets = new WeakMap();
function imageOf(sheet) {
  if (!sheets.has(sheet)) sheets.set(sheet, Object.assign(new Image(), { src: sheet.source }));
  return sheets.get(sheet);
}

// One picture of a sheet, and where a factor is in it, if that is given: a map of steps from 0 to 255.
export function pictureOf(sheet, at, label, heat = null) {
  const scale = Math.max(1, Math.ceil(72 / Math.max(sheet.width, sheet.height)));
  const [width, height] = [sheet.width * scale, sheet.height * scale];
  const image = imageOf(sheet); // on its way, or what is printed at once would have no pictures
  return canvasOf(width, height, label, async (canvas) => {
    if (!image.complete) await image.decode();
    const pen = penOf(canvas);
    pen.imageSmoothingEnabled = false;
    const [left, top] = [(at % sheet.columns) * sheet.width, Math.floor(at / sheet.columns) * sheet.height];
    pen.drawImage(image, left, top, sheet.width, sheet.height, 0, 0, width, height);
    if (heat) overlay(pen, heat, width, height);
  }, { class: "picture" });
}

function overlay(pen, heat, width, height) {
  const [rows, columns] = heat.shape;
  const small = new OffscreenCanvas(columns, rows);
  const pixels = new ImageData(columns, rows);
  heat.forEach((value, i) => pixels.data.set([255, 150, 20, Math.round(0.7 * value * value / 255)], 4 * i));
  small.getContext("2d").putImageData(pixels, 0, 0);
  pen.imageSmoothingEnabled = true;
  pen.drawImage(small, 0, 0, width, height);
}

// A latent image (channels, height, width) of steps: in colour if it has three channels, else each channel beside.
export function latentOf(latent, label) {
  const [channels, height, width] = latent.shape;
  const colour = channels === 3;
  return canvasOf(width * (colour ? 1 : channels), height, label, (canvas) => {
    const pixels = new ImageData(canvas.width, height);
    const size = height * width;
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < canvas.width; x += 1) {
        const [c, at] = [Math.floor(x / width), y * width + (x % width)];
        const values = colour ? [latent[at], latent[size + at], latent[2 * size + at]] : Array(3).fill(latent[c * size + at]);
        pixels.data.set([...values, 255], 4 * (y * canvas.width + x));
      }
    }
    penOf(canvas).putImageData(pixels, 0, 0);
  }, { class: "latent" });
}

// Maps (n, height, width) beside and below each other, with those framed that "framed" names, by a line and a corner.
const GAP = 1;
export function mosaicOf(maps, across, label, framed = () => "") {
  const [n, height, width] = maps.shape;
  const columns = Math.min(across, n);
  const scale = Math.max(1, Math.round(22 / Math.max(height, width)));
  const step = [scale * width + 2 * GAP, scale * height + 2 * GAP];
  const canvas = canvasOf(columns * step[0], Math.ceil(n / columns) * step[1], label, () => paintMosaic(canvas), { class: "mosaic" });
  Object.assign(canvas, { maps, columns, scale, step, framed });
  return canvas;
}

export function paintMosaic(canvas) {
  const { maps, columns, scale, step, framed } = canvas;
  const [n, height, width] = maps.shape;
  const frames = Array.from({ length: n }, (_, i) => framed(i));
  if (canvas.frames === frames.join()) return; // it stands as it is
  canvas.frames = frames.join();
  const pen = penOf(canvas);
  const pixels = new ImageData(canvas.width, canvas.height);
  const colours = new Uint32Array(pixels.data.buffer);
  const corner = (i) => [(i % columns) * step[0] + GAP, Math.floor(i / columns) * step[1] + GAP];
  for (let i = 0; i < n; i += 1) {
    const [left, top] = corner(i);
    for (let y = 0; y < scale * height; y += 1) {
      const [from, to] = [(i * height + Math.floor(y / scale)) * width, (top + y) * canvas.width + left];
      for (let x = 0; x < scale * width; x += 1) colours[to + x] = COLOURS[maps[from + Math.floor(x / scale)]];
    }
  }
  pen.putImageData(pixels, 0, 0);
  frames.forEach((kind, i) => frame(pen, kind, ...corner(i), scale * width, scale * height));
}

// "out" stands out: a frame; "lit" belongs to what is selected: a thick frame, and a mark in its corner.
function frame(pen, kind, x, y, width, height) {
  if (!kind) return;
  pen.strokeStyle = "#ff9e1b";
  pen.lineWidth = kind === "lit" ? 3 : 1.5;
  pen.strokeRect(x + 0.5, y + 0.5, width - 1, height - 1);
  if (kind === "lit") {
    pen.fillStyle = "#ffffff";
    pen.fillRect(x + width - 6, y, 6, 6);
  }
}

// Rows of colours [red, green, blue, opacity], a pixel each, for the style sheet to make large.
export function cellsOf(rows, label) {
  return canvasOf(rows[0].length, rows.length, label, (canvas) => {
    const pixels = new ImageData(canvas.width, canvas.height);
    pixels.data.set(rows.flat(2));
    penOf(canvas).putImageData(pixels, 0, 0);
  }, { class: "cells" });
}

// Which map of a mosaic lies under a pointer; -1 if none does.
export function mapUnder(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  const at = Math.floor(y * canvas.height / canvas.step[1]) * canvas.columns + Math.floor(x * canvas.width / canvas.step[0]);
  return at >= 0 && at < canvas.maps.shape[0] ? at : -1;
}
