// Bundles the scripts of a site into the package: `npm run build`. The same sources give the same bytes.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { esbuildTemplates } from "./templates.mjs";

const OUT = fileURLToPath(new URL("../synapse_assets/site/app/", import.meta.url));
const MODULES = fileURLToPath(new URL("node_modules/", import.meta.url));
const ENTRIES = { app: "src/app.ts", worker: "src/worker.ts", map: "src/map/main.ts", lost: "src/lost.ts" };
// Bundled inside of the browser bundle of nunjucks.
const WITHIN = { nunjucks: ["a-sync-waterfall", "asap"] };

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
const { metafile } = await build({
  entryPoints: Object.fromEntries(Object.entries(ENTRIES).filter(([, path]) => existsSync(path))),
  absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
  outdir: OUT,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  // Styles that the map shares with the explorer's.
  loader: { ".css": "text" },
  legalComments: "none",
  metafile: true,
  alias: { nunjucks: "nunjucks/browser/nunjucks-slim.js" },
  plugins: [esbuildTemplates],
});

const bundled = new Set(Object.keys(metafile.inputs).flatMap((path) => packageOf(path) ?? []));
const notices = [...bundled, ...[...bundled].flatMap((name) => WITHIN[name] ?? [])].sort().map(notice);
writeFileSync(`${OUT}THIRD_PARTY.txt`, notices.join(`\n${"-".repeat(80)}\n\n`));

function packageOf(path) {
  return path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1];
}

function notice(name) {
  const { version, license } = JSON.parse(readFileSync(`${MODULES}${name}/package.json`, "utf-8"));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].find((one) => existsSync(`${MODULES}${name}/${one}`));
  const text = file ? readFileSync(`${MODULES}${name}/${file}`, "utf-8").trim() : `License: ${license}`;
  return `${name} ${version}\n\n${text}\n`;
}
