/**
 * Where tests find real models and texts, which are too large for the repository. A test whose file is missing is
 * skipped, with the reason in its name:
 *
 *     const model = dataPath("models/stories260K/stories260K.bin");
 *     describe.skipIf(model === undefined)("stories260K (needs the shared test data)", () => { … });
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

const repository = resolve(import.meta.dirname, "..");
const dataFolder = process.env.REFRAIN_DATA ?? resolve(repository, "../shared/data");
const cacheFolder = process.env.REFRAIN_TEST_CACHE ?? join(homedir(), ".cache", "refrain-test");

/** A file or folder of the shared test data, or undefined where it is not on this machine. */
export function dataPath(relative: string): string | undefined {
  return existing(join(dataFolder, relative));
}

/** Something that `test/fetch-models.mjs` or a fixture script has put into the cache, or undefined. */
export function cachePath(relative: string): string | undefined {
  return existing(join(cacheFolder, relative));
}

/** SmolLM2-135M-Instruct, 30 blocks, as a GGUF: Q4_1 projections, Q8_0 tied embedding, F32 norms (98 MB). */
export function smolLM2Path(): string | undefined {
  return cachePath("SmolLM2-135M-Instruct.Q4_1.gguf");
}

function existing(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}
