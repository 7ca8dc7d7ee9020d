import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The frame in a process of its own. */
function start(script: string, ...words: string[]): { child: ChildProcessWithoutNullStreams; ended: Promise<Ended> } {
  const child = spawn(process.execPath, ["--import", path("../../test/run-ts.mjs"), path(script), ...words]);
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (err += data));
  return { child, ended: once(child, "close").then(([code]) => ({ code: code as number | null, out, err })) };
}

describe("a process", () => {
  it("ends with the exit code, the command's own program too", async () => {
    const version = await start("./main.ts", "--version").ended;
    expect(version).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: "" });
    const unknown = await start("./main.ts", "inspekt", "M").ended;
    expect(unknown).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringContaining('Did you mean "refrain inspect"?'),
    });
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("is asked to stop by the first %s", async (signal, code) => {
    const { child, ended } = start("./dummy.testing.ts", "work", "polite");
    await once(child.stdout, "data");
    child.kill(signal);
    expect(await ended).toMatchObject({ code, err: expect.stringMatching(/error: Interrupted\n$/) });
  });

  it("lets a command end in its own way, and still tells the shell", async () => {
    const { child, ended } = start("./dummy.testing.ts", "work", "clean", "--quiet");
    await once(child.stdout, "data");
    child.kill("SIGINT");
    expect(await ended).toEqual({ code: 130, out: expect.stringMatching(/\nthe end\n$/), err: "" });
  });

  it("is ended at once by the second Ctrl-C", async () => {
    const { child, ended } = start("./dummy.testing.ts", "work", "deaf");
    await once(child.stdout, "data");
    child.kill("SIGINT");
    await once(child.stdout, "data");
    await once(child.stdout, "data"); // still at work
    child.kill("SIGINT");
    const { code, out } = await ended;
    expect(code).toBe(130);
    expect(out).not.toContain("line 999");
  });

  it("stops without a word when nobody reads its output any more", async () => {
    const { child, ended } = start("./dummy.testing.ts", "work", "polite", "--quiet");
    await once(child.stdout, "data");
    child.stdout.destroy();
    expect(await ended).toMatchObject({ code: 0, err: "" });
  });
});
