/** What users install: its size, its contents, and that nothing in it needs a compiler. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");

/** Folders of the runtime dependencies and of theirs, as npm lays them out. */
function runtimePackages(): string[] {
  const found = new Set<string>();
  const visit = (manifest: string): void => {
    const { dependencies = {} } = JSON.parse(readFileSync(manifest, "utf8")) as { dependencies?: object };
    for (const name of Object.keys(dependencies)) {
      const folder = join(root, "node_modules", name);
      if (found.has(folder)) continue;
      found.add(folder);
      visit(join(folder, "package.json"));
    }
  };
  visit(join(root, "package.json"));
  return [...found];
}

function* files(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === "node_modules") continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else if (entry.isFile()) yield path;
  }
}

describe("the package", () => {
  it("has runtime dependencies of less than 20 MB together, none with native code or an install script", () => {
    const all = runtimePackages();
    expect(all.length).toBeGreaterThan(5);
    let bytes = 0;
    for (const path of all) {
      const { scripts = {} } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
      expect([scripts.install, scripts.postinstall, scripts.preinstall], path).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      for (const file of files(path)) {
        expect(file).not.toMatch(/\.(node|dll|so|dylib)$/);
        bytes += statSync(file).size;
      }
    }
    expect(bytes).toBeLessThan(20e6);
  });

  it("ships the build, the kernels and the docs, and no source, test or model", () => {
    const [packed] = JSON.parse(
      execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root }).toString(),
    );
    const names = (packed.files as { path: string }[]).map(({ path }) => path);
    for (const needed of [
      "dist/index.js",
      "dist/index.d.ts",
      "dist/web.js",
      "dist/cli/main.js",
      "wasm/relaxed-threads.wasm",
      "wasm/plain-single.wasm",
      "LICENSE",
    ]) {
      expect(names).toContain(needed);
    }
    expect(names.filter((name) => /^(src|test|bench)\/|\.test\.|\.testing\./.test(name))).toEqual([]);
    // Two models of the package are 3.2 MB of it.
    expect(packed.unpackedSize).toBeLessThan(8e6);
  });
});
