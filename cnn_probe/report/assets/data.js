// The document of the page: JSON, and the arrays of its heap.

const TYPES = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

async function unzipped(text) {
  if (!text) return new ArrayBuffer(0);
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

function expand(value, heap) {
  if (Array.isArray(value)) return value.map((inner) => expand(inner, heap));
  if (value === null || typeof value !== "object") return value;
  if (value.$array) {
    const [at, kind, shape] = value.$array;
    const array = new TYPES[kind](heap, at, shape.reduce((all, side) => all * side, 1));
    array.shape = shape;
    return array;
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.replace(/^\$(?=\$+array$)/, ""), expand(inner, heap)]));
}

export const thresholds = {}; // of the document, as Python draws and decides by them

export async function readDocument(element) {
  const { heap, ...plain } = JSON.parse(element.textContent);
  Object.assign(thresholds, plain.thresholds);
  return expand(plain, await unzipped(heap));
}

// One row of an array of two or more dimensions, without a copy.
export function row(array, i) {
  const width = array.length / array.shape[0];
  const found = array.subarray(i * width, (i + 1) * width);
  found.shape = array.shape.slice(1);
  return found;
}

export const indices = (n) => Array.from({ length: n }, (_, i) => i);
export const largestFirst = (values) => indices(values.length).sort((a, b) => values[b] - values[a] || a - b);
export const total = (values) => values.reduce((sum, value) => sum + value, 0);

// Plain values for those who take the document elsewhere: arrays as lists of lists, without pictures.
export function plainOf(value) {
  if (ArrayBuffer.isView(value)) {
    if (value.shape.length < 2) return Array.from(value, (one) => (Number.isNaN(one) ? null : one));
    return indices(value.shape[0]).map((i) => plainOf(row(value, i)));
  }
  if (Array.isArray(value)) return value.map(plainOf);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(([key]) => !["pictures", "source"].includes(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, plainOf(inner)]));
}
