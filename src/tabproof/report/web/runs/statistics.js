/**
 * Whether a model is better than another on the same rows: the tests of `python -m src.runs compare`.
 *
 * DeLong's variance (1988) of the difference of two AUCs with Student's t, and McNemar's exact test
 * of accuracy, from the ranks of probabilities and from codes of labels.
 */

/** @typedef {ArrayLike<number>} Codes */
/**
 * @typedef {object} Test
 * @property {"roc_auc" | "accuracy"} metric
 * @property {"DeLong" | "McNemar"} test
 * @property {number} value of the run
 * @property {number} reference of the run that it is compared with
 * @property {number} difference
 * @property {number} pValue two-sided
 */

/**
 * Compare the AUCs, with two labels, then the accuracies.
 *
 * @param {Codes} truth
 * @param {{predicted: Codes, ranks: Codes | null}} run
 * @param {{predicted: Codes, ranks: Codes | null}} reference
 * @returns {Test[]}
 */
export function compareRuns(truth, run, reference) {
  /** @type {Test[]} */
  const found = [];
  if (run.ranks !== null && reference.ranks !== null) {
    const [ours, theirs] = [aucOf(truth, run.ranks), aucOf(truth, reference.ranks)];
    const difference = ours.auc - theirs.auc;
    const components = ours.components.map((each, row) => each - at(theirs.components, row));
    const pValue = pValueOf(difference, truth, components);
    found.push({
      metric: "roc_auc",
      test: "DeLong",
      value: ours.auc,
      reference: theirs.auc,
      difference,
      pValue,
    });
  }
  let [nOurs, nTheirs, gained, lost] = [0, 0, 0, 0];
  for (let row = 0; row < truth.length; row++) {
    const isRight = run.predicted[row] === truth[row];
    const wasRight = reference.predicted[row] === truth[row];
    nOurs += Number(isRight);
    nTheirs += Number(wasRight);
    gained += Number(isRight && !wasRight);
    lost += Number(wasRight && !isRight);
  }
  const [value, theirs] = [nOurs / truth.length, nTheirs / truth.length];
  found.push({
    metric: "accuracy",
    test: "McNemar",
    value,
    reference: theirs,
    difference: value - theirs,
    pValue: Math.min(1, 2 * binomialTail(Math.min(gained, lost), gained + lost)),
  });
  return found;
}

/**
 * Return the AUC of the second label, and DeLong's component of each row over the number of rows
 * of its class: for a positive row the share of negative rows below it, and the other way round,
 * ties by half.
 *
 * @param {Codes} truth
 * @param {Codes} ranks dense, from 0
 */
export function aucOf(truth, ranks) {
  const { negatives, positives } = countByRank(truth, ranks);
  const nRanks = positives.length;
  const nPositive = positives.reduce((sum, n) => sum + n, 0);
  const nPairs = nPositive * (ranks.length - nPositive);
  // By rank: negative rows below it, and positive rows above it; half of those on it.
  const [below, above] = [new Float64Array(nRanks), new Float64Array(nRanks)];
  let [nBelow, nAbove, inOrder] = [0, nPositive, 0];
  for (let rank = 0; rank < nRanks; rank++) {
    const [negative, positive] = [at(negatives, rank), at(positives, rank)];
    below[rank] = nBelow + negative / 2;
    above[rank] = nAbove - positive / 2;
    nBelow += negative;
    nAbove -= positive;
    inOrder += positive * at(below, rank);
  }
  const components = new Float64Array(ranks.length);
  for (let row = 0; row < ranks.length; row++) {
    components[row] = at(truth[row] === 1 ? below : above, at(ranks, row)) / nPairs;
  }
  return { auc: inOrder / nPairs, components };
}

/**
 * Return the number of rows at each rank, by true label.
 *
 * @param {Codes} truth
 * @param {Codes} ranks dense, from 0
 */
export function countByRank(truth, ranks) {
  let highest = 0;
  for (let row = 0; row < ranks.length; row++) highest = Math.max(highest, at(ranks, row));
  const [negatives, positives] = [new Float64Array(highest + 1), new Float64Array(highest + 1)];
  for (let row = 0; row < ranks.length; row++) {
    const counts = truth[row] === 1 ? positives : negatives;
    const rank = at(ranks, row);
    counts[rank] = at(counts, rank) + 1;
  }
  return { negatives, positives };
}

/**
 * Return the two-sided p-value of a difference, by the variances of its components in each class.
 *
 * @param {number} difference
 * @param {Codes} truth
 * @param {Float64Array} components
 */
function pValueOf(difference, truth, components) {
  let [variance, squares] = [0, 0];
  for (const code of [0, 1]) {
    const own = components.filter((_, row) => truth[row] === code);
    if (own.length < 2) return 1;
    const mean = own.reduce((sum, each) => sum + each, 0) / own.length;
    const spread = own.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (own.length - 1);
    variance += own.length * spread;
    squares += (own.length * spread) ** 2 / (own.length - 1);
  }
  if (difference === 0) return 1;
  if (variance === 0) return 0;
  return studentTails(Math.abs(difference) / Math.sqrt(variance), variance ** 2 / squares);
}

/**
 * Return the probability that Student's t is further from 0 than t.
 *
 * @param {number} t
 * @param {number} freedom
 */
export function studentTails(t, freedom) {
  return incompleteBeta(freedom / 2, 0.5, freedom / (freedom + t * t), (t * t) / (freedom + t * t));
}

/**
 * Return the probability of at most k of n where each has one half.
 *
 * @param {number} k at most n / 2
 * @param {number} n
 */
export function binomialTail(k, n) {
  let term = binomialTerm(k, n);
  let sum = term;
  for (let i = k; i > 0 && term > sum * 1e-18; i--) {
    term *= i / (n - i + 1);
    sum += term;
  }
  return sum;
}

/**
 * Return the probability of just k of n where each has one half (Loader, 2000).
 *
 * @param {number} k
 * @param {number} n
 */
function binomialTerm(k, n) {
  if (k === 0 || k === n) return 0.5 ** n;
  const exponent =
    stirlingError(n) -
    stirlingError(k) -
    stirlingError(n - k) -
    deviance(k, n / 2) -
    deviance(n - k, n / 2);
  return Math.exp(exponent) * Math.sqrt(n / (2 * Math.PI * k * (n - k)));
}

/**
 * Return x log(x / mean) + mean - x, which is lost to rounding by this formula where x is near.
 *
 * @param {number} x
 * @param {number} mean
 */
function deviance(x, mean) {
  const v = (x - mean) / (x + mean);
  if (Math.abs(v) >= 0.1) return x * Math.log(x / mean) + mean - x;
  let [sum, term] = [(x - mean) * v, 2 * x * v];
  for (let j = 1; ; j++) {
    term *= v * v;
    const next = sum + term / (2 * j + 1);
    if (next === sum) return sum;
    sum = next;
  }
}

/**
 * Return log(n!) less Stirling's approximation of it.
 *
 * @param {number} n a whole number
 */
function stirlingError(n) {
  if (n > 15) return stirlingSeries(n);
  let factorial = 1;
  for (let i = 2; i <= n; i++) factorial *= i;
  return Math.log(factorial) - (n + 0.5) * Math.log(n) + n - Math.log(2 * Math.PI) / 2;
}

/** @param {number} z 10 or more */
function stirlingSeries(z) {
  const s = 1 / (z * z);
  const terms = [691 / 360360, 1 / 1188, 1 / 1680, 1 / 1260, 1 / 360, 1 / 12];
  return terms.reduce((sum, term) => term - s * sum, 0) / z;
}

/**
 * Return the regularized incomplete beta function of x.
 *
 * @param {number} a the smaller of a and b is 1/2
 * @param {number} b
 * @param {number} x
 * @param {number} rest 1 - x, without what the difference would lose
 * @returns {number}
 */
function incompleteBeta(a, b, x, rest) {
  if (x <= 0) return 0;
  if (rest <= 0) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(b, a, rest, x);
  const logX = rest < 0.5 ? Math.log1p(-rest) : Math.log(x);
  const logRest = x < 0.5 ? Math.log1p(-x) : Math.log(rest);
  const front = Math.exp(a * logX + b * logRest - logBetaOfHalf(Math.max(a, b))) / a;
  // The continued fraction, by the method of Lentz.
  const tiny = 1e-300;
  let [c, d] = [1, 1 / notZero(1 - ((a + b) * x) / (a + 1))];
  let product = d;
  for (let m = 1; m < 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / notZero(1 + even * d);
    c = notZero(1 + even / c);
    product *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / notZero(1 + odd * d);
    c = notZero(1 + odd / c);
    product *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * product;

  /** @param {number} value */
  function notZero(value) {
    return Math.abs(value) < tiny ? tiny : value;
  }
}

/**
 * Return the logarithm of the beta function of a and 1/2.
 *
 * @param {number} a
 */
function logBetaOfHalf(a) {
  // In terms of a + n, where Stirling's series is exact to rounding.
  let [z, shift] = [a, 0];
  for (; z < 20; z++) shift += Math.log1p(0.5 / z);
  // The difference of two log gammas, without their size.
  const difference =
    -(z - 0.5) * Math.log1p(0.5 / z) -
    0.5 * Math.log(z + 0.5) +
    0.5 +
    stirlingSeries(z) -
    stirlingSeries(z + 0.5);
  return Math.log(Math.PI) / 2 + difference + shift;
}

/**
 * Return an element that is there.
 *
 * @param {ArrayLike<number>} list
 * @param {number} index
 */
function at(list, index) {
  return /** @type {number} */ (list[index]);
}
