// Builds the report's script and style sheet into the Python package, which ships them; `--check` only compares.
import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const target = new URL("../graphrt_viz/web/", import.meta.url);
const check = process.argv.includes("--check");
let stale = false;

for (const [source, name] of [["src/report.ts", "report.js"], ["src/report.css", "report.css"]]) {
  const made = await build({
    entryPoints: [new URL(source, import.meta.url).pathname],
    bundle: true,
    write: false,
    minify: true,
    charset: "utf8",
    format: "iife",
    target: "es2020",
    legalComments: "none",
  });
  const text = made.outputFiles[0].text;
  const file = new URL(name, target);
  const before = await readFile(file, "utf8").catch(() => "");
  if (before === text) continue;
  stale = true;
  if (check) console.error(`${name} is not what its sources build to; run: npm run build`);
  else await writeFile(file, text);
}
process.exit(check && stale ? 1 : 0);
