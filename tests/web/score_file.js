/** `node score_file.js DIRECTORY`: score rows.json by the scorer there, and write scores. */

import { readFileSync, writeFileSync } from "node:fs";
import { scoreRows } from "./scoring.js";

const directory = process.argv[2];
/** @param {string} name */
const read = (name) => JSON.parse(readFileSync(`${directory}/${name}.json`, "utf-8"));
const arrays = new Uint8Array(readFileSync(`${directory}/arrays`));
const scores = scoreRows({ spec: read("spec"), schema: read("schema"), arrays }, read("rows"));
writeFileSync(`${directory}/scores`, scores);
