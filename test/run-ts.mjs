/**
 * Lets `node` run this repository's TypeScript, for tests that need a process of their own (to be interrupted, or
 * measured):
 *
 *     node --import ./test/run-ts.mjs FILE.ts
 *
 * Types are only stripped, by the compiler that vitest itself uses. Node 22.18 and later need none of this.
 */
import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { transformSync } from "rolldown/experimental";

// Node loads hooks in a thread of their own, where this file must not register itself again.
if (isMainThread) register(import.meta.url);

export async function load(url, context, next) {
  if (!url.endsWith(".ts")) return next(url, context);
  const path = fileURLToPath(url);
  const { code, errors } = transformSync(path, await readFile(path, "utf8"));
  if (errors.length > 0) throw new SyntaxError(`${path}: ${errors[0].message}`);
  return { format: "module", source: code, shortCircuit: true };
}
