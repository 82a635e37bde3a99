/**
 * Arithmetic as Python, NumPy and the C library do it.
 *
 * JavaScript leaves the last bits of Math.exp and Math.log open. So `exp` and `log` compute in
 * pairs of floats whose sum is the number (Dekker, "A floating-point technique for extending the
 * available precision", 1971). Their error before the last rounding is below 2^-70, so at most
 * one in 65,000 results is not the float nearest to the exact one; tests/web/test_numbers.py finds
 * none among 8,000, compared with 60 digits. Of random numbers between -20 and 20, glibc's exp is
 * one float off for one in 1,300, NumPy's on processors with AVX-512 for one in 22, and V8's
 * Math.exp for one in 10.
 *
 * `exp32` and `log32` have the operations of glibc's expf and of NumPy's log of 32 bits, in their
 * order, and so the same bits; the same tests compare 40,000 numbers of each.
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
 * Return exp of a finite number whose result is neither infinite nor zero.
 *
 * @param {number} x
 * @returns {Scaled}
 */
function scaledExp(x) {
  const exponent = Math.round(x * LOG2_E);
  // The rest x - exponent * ln 2, divided by 2 ** N_DOUBLINGS.
  const first = x - exponent * LN2_HIGH;
  const second = first - exponent * LN2_MIDDLE;
  const below =
    sumError(x, -exponent * LN2_HIGH, first) +
    sumError(first, -exponent * LN2_MIDDLE, second) -
    exponent * LN2_LOW;
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

/**
 * Return e to the power of x.
 *
 * @param {number} x
 */
export function exp(x) {
  if (x > 709.79) return Infinity;
  if (x < -745.14) return 0;
  if (Number.isNaN(x)) return NaN;
  const [high, low, exponent] = scaledExp(x);
  // In two steps, since 2 ** 1024 is no float, nor is 2 ** -1075.
  const half = exponent >> 1;
  return (high + low) * 2 ** half * 2 ** (exponent - half);
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
const POWERS = [
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
  // x = n * ln 2 / 32 + rest; exp(x) = 2 ** (n / 32) * exp(rest). The shift rounds, ties to even.
  const shift = 6755399441055744;
  const scaled = 1.4426950408889634 * 32 * x;
  const n = scaled + shift - shift;
  const rest = scaled - n;
  const upper = (0.05550361559341535 / 32 / 32 / 32) * rest + 0.2402284522445722 / 32 / 32;
  const polynomial = upper * (rest * rest) + ((0.6931471806916203 / 32) * rest + 1);
  const power = POWERS[n & 31] * 2 ** (n >> 5);
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
