import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { whileLocked, whileWriting } from "./lock.ts";

let folder: string;
let other: ChildProcess;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-lock-"));
  other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
});
afterEach(async () => {
  other.kill("SIGKILL");
  await rm(folder, { recursive: true });
});

const host = hostname().replace(/[^\w.-]/g, "_");
const lockOf = (pid: number, where = host) => join(folder, `.run.lock-${where}-${pid}`);
const use = <T>(work: () => Promise<T>) => whileLocked({ folder, name: "run", what: "OUT" }, work);
const busy = { code: "output-busy", kind: "input" };

describe("a lock", () => {
  it("is there while the work is done, and gone behind it and behind what it throws", async () => {
    const seen = await use(() => readdir(folder));
    expect(seen).toEqual([`.run.lock-${host}-${process.pid}`]);
    await expect(use(() => Promise.reject(new Error("stop")))).rejects.toThrow("stop");
    expect(await readdir(folder)).toEqual([]);
    expect(await use(async () => 7)).toBe(7);
  });

  it("names the process that has it, also by another path, and is then as it was", async () => {
    await writeFile(lockOf(other.pid!), "");
    const alias = `${folder}-alias`;
    await symlink(folder, alias);
    try {
      for (const place of [folder, alias]) {
        const refused = whileLocked({ folder: place, name: "run", what: "OUT" }, async () => 1);
        await expect(refused).rejects.toMatchObject({
          ...busy,
          message: expect.stringMatching(
            new RegExp(`^OUT is in use by process ${other.pid}, since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC$`),
          ),
          help: expect.stringContaining(`delete ${lockOf(other.pid!)}`),
        });
      }
    } finally {
      await rm(alias);
    }
    expect(await readdir(folder)).toEqual([`.run.lock-${host}-${other.pid}`]);
  });

  it("is refused within one process too, and not to who locks another thing", async () => {
    await use(async () => {
      await expect(use(async () => 1)).rejects.toMatchObject(busy);
      expect(await whileLocked({ folder, name: "run.more", what: "x" }, async () => 2)).toBe(2);
      expect(await whileLocked({ folder, name: "ru", what: "x" }, async () => 2)).toBe(2);
    });
  });

  it("of a process that was killed is taken over, one of another machine is not", async () => {
    await writeFile(lockOf(other.pid!), "");
    other.kill("SIGKILL");
    await once(other, "close");
    // A dead process had our own number.
    await writeFile(lockOf(process.pid), "long gone");
    expect(await use(() => readdir(folder))).toEqual([`.run.lock-${host}-${process.pid}`]);
    await writeFile(lockOf(1, "elsewhere"), "");
    await expect(use(async () => 1)).rejects.toMatchObject({
      ...busy,
      message: expect.stringContaining("process 1 of the machine elsewhere"),
    });
  });

  it.runIf(process.platform === "linux")("of a boot before, or of a number given again, is taken over", async () => {
    const written = await use(() => readFile(lockOf(process.pid), "utf8"));
    expect(written).toMatch(/^[0-9a-f-]{36} \d+$/);
    const [boot, start] = written.split(" ");
    for (const earlier of [`${boot} 1`, `00000000-0000-0000-0000-000000000000 ${start}`]) {
      await writeFile(lockOf(other.pid!), earlier);
      expect(await use(() => readdir(folder))).toEqual([`.run.lock-${host}-${process.pid}`]);
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it.runIf(process.platform === "linux")("of a killed process that nobody waits for is taken over", async () => {
    // `exec` leaves the shell's child to a program that never asks for it; the child must outlive the shell.
    const parent = spawn("sh", ["-c", "sleep 1 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const [pid] = (await once(parent.stdout!, "data")) as [Buffer];
      const zombie = Number(pid.toString());
      const stat = () => readFile(`/proc/${zombie}/stat`, "utf8");
      await vi.waitFor(async () => expect(await stat()).toContain(") Z "), { timeout: 10_000 });
      await writeFile(lockOf(zombie), "");
      expect(await use(async () => 7)).toBe(7);
    } finally {
      parent.kill("SIGKILL");
    }
  });

  it("of two of many that begin at once is never held together", async () => {
    let [working, most] = [0, 0];
    const one = () =>
      use(async () => {
        most = Math.max(most, ++working);
        await new Promise((resolve) => setTimeout(resolve, 2));
        working--;
      });
    const ended = await Promise.allSettled(Array.from({ length: 20 }, one));
    expect(most).toBe(1);
    expect(ended.filter(({ status }) => status === "fulfilled").length).toBeGreaterThan(0);
  });
});

describe("the folder of a lock", () => {
  it("is made, and goes again where nothing was put in", async () => {
    const deep = join(folder, "a/b");
    expect(await whileWriting(join(deep, "out"), () => readdir(deep))).toEqual([`.out.lock-${host}-${process.pid}`]);
    expect(await readdir(folder)).toEqual([]);
    await whileWriting(join(deep, "out"), () => mkdir(join(deep, "out")));
    expect(await readdir(deep)).toEqual(["out"]);
  });

  it("is refused where it is a file", async () => {
    const file = join(folder, "file");
    await writeFile(file, "");
    const refused = whileLocked({ folder: file, name: "x", what: "x" }, async () => 1);
    await expect(refused).rejects.toMatchObject({ code: "output-exists", kind: "input" });
    await expect(whileWriting(join(file, "out"), async () => 1)).rejects.toMatchObject({ code: "output-exists" });
  });
});
