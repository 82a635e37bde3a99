/**
 * Arithmetic as the scorer does it on every processor.
 *
 * JavaScript leaves the last bits of Math.exp and Math.log open: V8's exp is one float off for one
 * number in ten. So each function here has the operations of the one in
 * src/tabproof/scorer/numbers.py, in their order, and its bits. `exp` and `exp32` are glibc's exp
 * and expf on processors with fused multiplication and addition (Szabolcs Nagy, "New exp, exp2,
 * log, log2, pow", 2018), `log32` is NumPy's log of 32 bits there. `log` is the float nearest to
 * the exact result, with an error before the last rounding below 2^-70; glibc's is another one for
 * one number in 3,600.
 *
 * tests/web/test_numbers.py compares all four, on 4,000 to 40,000 numbers each; results of exp
 * below 2^-1022 are rounded twice.
 */

export const FLOAT32_MAX = 3.4028234663852886e38;

/** @typedef {[high: number, low: number, exponent: number]} Scaled (high + low) * 2 ** exponent */

const LOG2_E = 1.4426950408889634;
// The logarithm of 2 in three parts. The first two have 42 bits, so their products with an exponent
// are exact.
const LN2_HIGH = 0.6931471805598903;
const LN2_MIDDLE = 5.49792301870721e-14;
const LN2_LOW = 1.1612227229362532e-26;
const N_DOUBLINGS = 8;

/**
 * Return the rounding error of a product (Dekker).
 *
 * @param {number} a
 * @param {number} b
 * @param {number} product
 */
function productError(a, b, product) {
  const wideA = 134217729 * a;
  const wideB = 134217729 * b;
  const highA = wideA - (wideA - a);
  const highB = wideB - (wideB - b);
  const lowA = a - highA;
  const lowB = b - highB;
  return lowA * lowB - (product - highA * highB - lowA * highB - highA * lowB);
}

/**
 * Return the rounding error of a sum (Knuth).
 *
 * @param {number} a
 * @param {number} b
 * @param {number} sum
 */
function sumError(a, b, sum) {
  const part = sum - a;
  return a - (sum - part) + (b - part);
}

/**
 * Return a * b + c, rounded once.
 *
 * @param {number} a
 * @param {number} b
 * @param {number} c
 */
function fused(a, b, c) {
  const product = a * b;
  const sum = product + c;
  return sum + (sumError(product, c, sum) + productError(a, b, product));
}

/**
 * Return exp of a finite number, given as the sum of two, in pairs of floats (Dekker, "A
 * floating-point technique for extending the available precision", 1971).
 *
 * @param {number} x
 * @param {number} [xLow]
 * @returns {Scaled}
 */
function scaledExp(x, xLow = 0) {
  const exponent = Math.round(x * LOG2_E);
  // The rest x - exponent * ln 2, divided by 2 ** N_DOUBLINGS.
  const first = x - exponent * LN2_HIGH;
  const second = first - exponent * LN2_MIDDLE;
  const below =
    sumError(x, -exponent * LN2_HIGH, first) +
    sumError(first, -exponent * LN2_MIDDLE, second) +
    (xLow - exponent * LN2_LOW);
  const scale = 2 ** -N_DOUBLINGS;
  const rest = (second + below) * scale;
  const restLow = (below - (second + below - second)) * scale;
  // exp(rest) - 1 as a power series; terms from the third on are small enough for one float.
  const square = rest * rest;
  const tail =
    rest * square * (1 / 6 + rest * (1 / 24 + rest * (1 / 120 + rest * (1 / 720 + rest / 5040))));
  const sum = rest + square / 2;
  let low =
    sumError(rest, square / 2, sum) +
    productError(rest, rest, square) / 2 +
    (restLow + rest * restLow) +
    tail;
  let high = sum + low;
  low -= high - sum;
  // exp(2 y) - 1 is 2 e + e * e for e = exp(y) - 1.
  for (let i = 0; i < N_DOUBLINGS; i++) {
    const squared = high * high;
    const doubled = 2 * high + squared;
    const error = productError(high, high, squared) + 2 * high * low;
    low = sumError(2 * high, squared, doubled) + 2 * low + error;
    high = doubled + low;
    low -= high - doubled;
  }
  const whole = 1 + high;
  return [whole, sumError(1, high, whole) + low, exponent];
}

// 2 ** (i / 128): the nearest floats, and what is missing of each, as a share of it.
const N_POWERS = 128;
const POWERS_64 = new Float64Array(N_POWERS);
const MISSING_64 = new Float64Array(N_POWERS);
for (let i = 0; i < N_POWERS; i++) {
  const [large, small] = [(i * LN2_HIGH) / N_POWERS, (i * LN2_MIDDLE) / N_POWERS];
  const x = large + small;
  const [high, low, exponent] = scaledExp(x, sumError(large, small, x) + (i * LN2_LOW) / N_POWERS);
  const nearest = high + low;
  POWERS_64[i] = nearest * 2 ** exponent;
  MISSING_64[i] = (high - nearest + low) / nearest;
}
// Adding this rounds to a whole number, ties to even.
const SHIFT = 6755399441055744;

/**
 * Return e to the power of x.
 *
 * @param {number} x
 */
export function exp(x) {
  if (x > 709.782712893384) return Infinity;
  if (x < -745.1332191019411) return 0;
  if (Number.isNaN(x)) return NaN;
  // x = n * ln 2 / 128 + rest; exp(x) = 2 ** (n / 128) * exp(rest).
  const n = fused(LOG2_E * N_POWERS, x, SHIFT) - SHIFT;
  const rest = fused(n, -1.2864023111638344e-14, fused(n, -0.005415212348111709, x));
  const power = POWERS_64[n & (N_POWERS - 1)];
  const square = rest * rest;
  const beginning = MISSING_64[n & (N_POWERS - 1)] + rest;
  const middle = fused(rest, 0.16666666666665886, 0.49999999999996786);
  const end = fused(rest, 0.008333335853059549, 0.0416666808410674);
  const more = fused(square * square, end, fused(square, middle, beginning));
  // For very small results glibc needs the product twice, and does not fuse it.
  const result = x <= -512 ? power + power * more : fused(power, more, power);
  // In two steps, since 2 ** 1024 is no float, nor is 2 ** -1075.
  const exponent = n >> 7;
  const half = exponent >> 1;
  return result * 2 ** half * 2 ** (exponent - half);
}

/**
 * Return the natural logarithm of x.
 *
 * @param {number} x
 */
export function log(x) {
  const near = Math.log(x);
  if (!Number.isFinite(near)) return near;
  // log(x) = near + log(x / exp(near)), which is the logarithm of nearly 1.
  const [high, low, exponent] = scaledExp(-near);
  const half = exponent >> 1;
  const scaled = x * 2 ** half * 2 ** (exponent - half);
  const product = scaled * high;
  return near + (product - 1 + (productError(scaled, high, product) + scaled * low));
}

// 2 ** (i / 32), rounded.
const POWERS_32 = [
  1.0, 1.0218971486541166, 1.0442737824274138, 1.0671404006768237, 1.0905077326652577,
  1.1143867425958924, 1.1387886347566916, 1.1637248587775775, 1.189207115002721, 1.215247359980469,
  1.241857812073484, 1.2690509571917332, 1.2968395546510096, 1.3252366431597413, 1.3542555469368927,
  1.383909881963832, 1.4142135623730951, 1.4451808069770467, 1.4768261459394993, 1.5091644275934228,
  1.5422108254079407, 1.5759808451078865, 1.6104903319492543, 1.645755478153965, 1.681792830507429,
  1.718619298122478, 1.7562521603732995, 1.7947090750031072, 1.8340080864093424, 1.8741676341103,
  1.9152065613971474, 1.9571441241754002,
];

/**
 * Return e to the power of a 32-bit float, with the bits of expf of glibc 2.27 and later.
 *
 * @param {number} x
 */
export function exp32(x) {
  if (Number.isNaN(x)) return NaN;
  if (x > 88.72283172607422) return Infinity;
  if (x < -103.97207641601562) return 0;
  // As in `exp`, with another table and one polynomial.
  const n = LOG2_E * 32 * x + SHIFT - SHIFT;
  const rest = fused(LOG2_E * 32, x, -n);
  const upper = (0.05550361559341535 / 32 / 32 / 32) * rest + 0.2402284522445722 / 32 / 32;
  const polynomial = upper * (rest * rest) + ((0.6931471806916203 / 32) * rest + 1);
  const power = POWERS_32[n & 31] * 2 ** (n >> 5);
  return Math.fround(polynomial * power);
}

// The coefficients of NumPy's log of 32 bits, a quotient of two polynomials.
const NUMERATOR = [
  2.589979117907922693523e-2, 3.808837741388407920751e-1, 1.480000633576506585156,
  2.112677543073053063722, 9.999999999999998702752e-1, 0,
].map(Math.fround);
const DENOMINATOR = [
  5.875095403124574342950e-3, 1.546476374983906719538e-1, 9.864942958519418960339e-1,
  2.453006071784736363091, 2.612677543073109236779, 1,
].map(Math.fround);
const LN2_32 = Math.fround(Math.LN2);

/**
 * Return the natural logarithm of a positive, normal 32-bit float, with the bits of NumPy's log on
 * processors with fused multiplication and addition.
 *
 * @param {number} x
 */
export function log32(x) {
  if (Number.isNaN(x)) return NaN;
  let exponent = Math.floor(Math.log2(x)) + 1;
  let mantissa = x / 2 ** exponent;
  // Math.log2 may be off by its last bit.
  if (mantissa >= 1) {
    mantissa /= 2;
    exponent += 1;
  } else if (mantissa < 0.5) {
    mantissa *= 2;
    exponent -= 1;
  }
  if (mantissa <= Math.fround(Math.SQRT1_2)) {
    mantissa *= 2;
    exponent -= 1;
  }
  const rest = Math.fround(mantissa - 1);
  // A product of 32-bit floats is exact in 64 bits, so each step is rounded once, but for ties.
  const polynomial = (/** @type {number[]} */ coefficients) =>
    coefficients.reduce((sum, coefficient) => Math.fround(sum * rest + coefficient));
  const quotient = Math.fround(polynomial(NUMERATOR) / polynomial(DENOMINATOR));
  return Math.fround(exponent * LN2_32 + quotient);
}

/**
 * Return a sum with the bits of NumPy's, which adds eight or more numbers in pairs.
 *
 * @param {ArrayLike<number>} values
 * @param {number} [start]
 * @param {number} [end]
 * @returns {number}
 */
export function numpySum(values, start = 0, end = values.length) {
  const length = end - start;
  if (length < 8) {
    let sum = 0;
    for (let i = start; i < end; i++) sum += values[i];
    return sum;
  }
  if (length > 128) {
    const half = length >> 1;
    const middle = start + half - (half % 8);
    return numpySum(values, start, middle) + numpySum(values, middle, end);
  }
  const r = Array.from({ length: 8 }, (_, i) => values[start + i]);
  let next = start + 8;
  for (; next + 8 <= end; next += 8) {
    for (let i = 0; i < 8; i++) r[i] += values[next + i];
  }
  const [a, b, c, d, e, f, g, h] = r;
  let sum = a + b + (c + d) + (e + f + (g + h));
  for (; next < end; next++) sum += values[next];
  return sum;
}
