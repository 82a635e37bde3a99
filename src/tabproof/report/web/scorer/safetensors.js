/** Arrays in the format of safetensors: a JSON header, then the numbers, little-endian. */

import { ScorerDamagedError } from "./errors.js";

/** @typedef {Float64Array | Int32Array | Uint8Array} Numbers */
/** @typedef {{ shape: number[], data: Numbers }} Tensor */
/** @typedef {Map<string, Tensor>} Arrays */

const KINDS = { F64: Float64Array, I32: Int32Array, U8: Uint8Array };

/**
 * Return all arrays by their name.
 *
 * @param {Uint8Array} bytes
 * @returns {Arrays}
 */
export function readArrays(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  /** @type {Arrays} */
  const arrays = new Map();
  for (const [name, about] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { dtype, shape, data_offsets } = about;
    const Kind = KINDS[/** @type {keyof typeof KINDS} */ (dtype)];
    if (Kind === undefined) throw new ScorerDamagedError(`'${name}' has the type ${dtype}`);
    const [begin, end] = data_offsets;
    const length = shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    if (end - begin !== length * Kind.BYTES_PER_ELEMENT || start + end > bytes.length) {
      throw new ScorerDamagedError(`'${name}' is cut off`);
    }
    // A copy, because an array may begin at any byte.
    arrays.set(name, { shape, data: new Kind(bytes.slice(start + begin, start + end).buffer) });
  }
  return arrays;
}

/**
 * Return an array of 64-bit floats.
 *
 * @param {Arrays} arrays
 * @param {string} name
 * @returns {{ shape: number[], data: Float64Array }}
 */
export function floats(arrays, name) {
  const found = arrays.get(name);
  if (!(found?.data instanceof Float64Array)) throw missing(name, "64-bit floats");
  return { shape: found.shape, data: found.data };
}

/**
 * Return the data of an array of 32-bit integers.
 *
 * @param {Arrays} arrays
 * @param {string} name
 * @returns {Int32Array}
 */
export function integers(arrays, name) {
  const found = arrays.get(name)?.data;
  if (!(found instanceof Int32Array)) throw missing(name, "32-bit integers");
  return found;
}

/**
 * Return the data of an array of bytes.
 *
 * @param {Arrays} arrays
 * @param {string} name
 * @returns {Uint8Array}
 */
export function octets(arrays, name) {
  const found = arrays.get(name)?.data;
  if (!(found instanceof Uint8Array)) throw missing(name, "bytes");
  return found;
}

/**
 * Return the arrays whose names begin with a prefix, without it.
 *
 * @param {Arrays} arrays
 * @param {string} prefix
 * @returns {Arrays}
 */
export function beneath(arrays, prefix) {
  const own = [...arrays].filter(([name]) => name.startsWith(prefix));
  return new Map(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/**
 * @param {string} name
 * @param {string} kind
 */
function missing(name, kind) {
  return new ScorerDamagedError(`'${name}' is missing, or not of ${kind}`);
}
