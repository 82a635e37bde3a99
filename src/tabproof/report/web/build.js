/**
 * Bundle the scripts of the pages into `built/`, which is committed, so that installing tabproof needs
 * no node. The same sources give the same bytes; tests/web/test_web.py builds them again and compares.
 */
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const OUTPUT = process.argv[2] ?? `${HERE}built`;
/** An entry per script of a page; `plot` is the library that others use as the global `Plot`. */
const ENTRIES = ["front", "hover", "plot", "runs", "thresholds", "what_if"];
/** Styles of what scripts put into a page, by name and source. */
const STYLES = {
  hover: "hover/hover.css",
  thresholds: "thresholds/thresholds.css",
  what_if: "what_if/what_if.css",
};

for (const entry of ENTRIES) {
  const options = {
    entryPoints: [`${HERE}${entry}.js`],
    outfile: `${OUTPUT}/${entry}.js`,
    bundle: true,
    minify: true,
    metafile: true,
    absWorkingDir: HERE,
    charset: /** @type {const} */ ("utf8"),
    format: /** @type {const} */ ("iife"),
    target: ["chrome109", "firefox115", "safari16.4"],
    legalComments: /** @type {const} */ ("none"),
    ...(entry === "plot" && { globalName: "Plot" }),
  };
  const { metafile } = await build({ ...options, write: false });
  const licences = await findLicences(Object.keys(metafile?.inputs ?? {}));
  await build({ ...options, banner: { js: licences && `/*\n${licences}\n*/` } });
}

for (const [name, source] of Object.entries(STYLES)) {
  await build({
    entryPoints: [HERE + source],
    outfile: `${OUTPUT}/${name}.css`,
    minify: true,
    charset: "utf8",
    target: ["chrome109", "firefox115", "safari16.4"],
  });
}

/**
 * Return the licences of the packages that these files belong to; equal ones once.
 *
 * @param {string[]} files
 */
async function findLicences(files) {
  const folders = files.map((file) => /.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  /** @type {Map<string, string[]>} */
  const packages = new Map();
  for (const folder of [...new Set(folders)].sort()) {
    if (folder === undefined) continue;
    const { name, version } = JSON.parse(await readFile(`${HERE}${folder}/package.json`, "utf-8"));
    const file = (await readdir(HERE + folder)).find((each) => /^licen[cs]e/i.test(each));
    const text = file ? (await readFile(`${HERE}${folder}/${file}`, "utf-8")).trim() : "";
    packages.set(text, [...(packages.get(text) ?? []), `${name} ${version}`]);
  }
  return [...packages]
    .map(([text, names]) => `${names.join(", ")}\n\n${text.replaceAll("*/", "* /")}`)
    .join("\n\n");
}
