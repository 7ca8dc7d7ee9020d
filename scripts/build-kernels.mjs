// Compiles the AssemblyScript kernels into wasm/: six builds, one for each of {dot, relaxed, plain} SIMD × {threads, single}.
// Skips a build that is newer than every source.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const sources = join(root, "src/engine/wasm/kernels");
const out = join(root, "wasm");
const asc = join(dirname(createRequire(import.meta.url).resolve("assemblyscript/package.json")), "bin/asc.js");

mkdirSync(out, { recursive: true });
const modified = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const newest = Math.max(
  modified(fileURLToPath(import.meta.url)),
  ...readdirSync(sources).map((name) => modified(join(sources, name))),
);

for (const simd of ["dot", "relaxed", "plain"]) {
  for (const threads of ["threads", "single"]) {
    const file = join(out, `${simd}-${threads}.wasm`);
    if (modified(file) > newest) continue;
    const args = [
      join(sources, "index.ts"),
      ...["-O3", "--noAssert", "--runtime", "stub", "--importMemory", "--memoryBase", "4096"],
      ...["--enable", "simd", ...(simd === "plain" ? [] : ["--enable", "relaxed-simd"])],
      ...["--use", `DOT=${simd === "dot" ? 1 : 0}`],
      ...(threads === "threads"
        ? ["--enable", "threads", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"]
        : []),
      // Beside, then renamed: a build that is interrupted leaves no half-written module.
      ...["-o", `${file}.partial`],
    ];
    execFileSync(process.execPath, [asc, ...args], { stdio: "inherit", cwd: root });
    renameSync(`${file}.partial`, file);
  }
}
