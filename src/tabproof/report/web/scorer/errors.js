/** What an evaluator cannot do. */

/** Files that are not a valid scorer. */
export class ScorerDamagedError extends Error {}

/** A row that has no prediction, in the words of the service. */
export class RefusedError extends Error {}

/** A model that predicts, but has no exact contributions of columns. */
export class NotExplainableError extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(`this model's predictions cannot be explained: ${reason}`);
  }
}
