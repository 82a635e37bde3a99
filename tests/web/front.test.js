import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { makePredict } from "../../src/tabproof/report/web/front/predict.js";

const ADDRESS = new URL("https://a.example/rp/models/m/predict");
const ANSWER = { pred_proba: 0.7, label: "b", probabilities: {}, threshold: 0.5, warnings: [] };
const realFetch = globalThis.fetch;
/** @type {{url: string, headers: Record<string, string>, features: unknown}[]} */
let sent = [];
/** What the service answers, in turn: a status and a body, or null for no connection. @type {([number, unknown] | null)[]} */
let answers = [];

/** @param {string} key */
const t = (key) => key;

beforeEach(() => {
  sent = [];
  globalThis.fetch = async (url, init) => {
    const { features } = JSON.parse(String(init?.body));
    sent.push({ url: String(url), headers: /** @type {any} */ (init?.headers), features });
    const answer = answers.shift();
    if (!answer) throw new TypeError("no connection");
    return new Response(JSON.stringify(answer[1]), { status: answer[0] });
  };
});

afterEach(() => {
  globalThis.fetch = realFetch;
});

test("a row is sent as it is, and explained", async () => {
  answers = [[200, { ...ANSWER, explanation: { label: "b" } }]];
  const found = await makePredict({ address: ADDRESS, key: null, unexplained: null, t })({ age: 41, job: null });
  assert.equal(found.unexplained, null);
  assert.equal(found.explanation?.label, "b");
  assert.deepEqual(sent, [
    {
      url: "https://a.example/rp/models/m/predict?explain=true",
      headers: { "Content-Type": "application/json" },
      features: { age: 41, job: null },
    },
  ]);
});

test("contributions are not requested of a model that is known to have none", async () => {
  answers = [[200, ANSWER]];
  const options = { address: ADDRESS, key: null, unexplained: "a vote", t };
  assert.equal((await makePredict(options)({ age: 1 })).unexplained, "a vote");
  assert.deepEqual(sent.map(({ url }) => url.includes("explain")), [false]);
});

test("the reason why a model has no contributions is requested once", async () => {
  answers = [[422, { detail: "a vote" }], [200, ANSWER], [200, ANSWER]];
  const predict = makePredict({ address: ADDRESS, key: null, unexplained: null, t });
  assert.equal((await predict({ age: 1 })).unexplained, "a vote");
  assert.equal((await predict({ age: 2 })).unexplained, "a vote");
  assert.deepEqual(sent.map(({ url }) => url.includes("explain")), [true, false, false]);
});

test("a refused row leaves open whether the model has contributions", async () => {
  const refused = /** @type {[number, unknown]} */ ([422, { detail: "too extreme" }]);
  answers = [refused, refused, [200, { ...ANSWER, explanation: { label: "b" } }]];
  const predict = makePredict({ address: ADDRESS, key: null, unexplained: null, t });
  await assert.rejects(predict({ age: 1e300 }), /too extreme/);
  assert.equal((await predict({ age: 1 })).unexplained, null);
});

test("a key is sent in its header, and nothing is sent without one", async () => {
  const field = /** @type {HTMLInputElement} */ ({ value: "" });
  const predict = makePredict({ address: ADDRESS, key: field, unexplained: null, t });
  await assert.rejects(predict({}), /front.key_missing/);
  assert.equal(sent.length, 0);
  answers = [[401, { detail: "no" }], [200, ANSWER]];
  field.value = "wrong";
  await assert.rejects(predict({}), /front.key_wrong/);
  field.value = "right";
  await predict({});
  assert.deepEqual(sent.map(({ headers }) => headers["X-API-Key"]), ["wrong", "right"]);
});

test("an answer of something else than the service is reported", async () => {
  const predict = makePredict({ address: ADDRESS, key: null, unexplained: null, t });
  answers = [null];
  await assert.rejects(predict({}), /front.failed/);
  globalThis.fetch = async () => new Response("<h1>Bad gateway</h1>", { status: 502 });
  await assert.rejects(predict({}), /front.failed/);
});
