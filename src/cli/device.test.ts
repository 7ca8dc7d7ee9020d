import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { fakeMeasurement, fakeProfile } from "../measure/device/profile.testing.ts";
import { commandLine } from "./terminal.testing.ts";

const fixture = join(import.meta.dirname, "../../test/fixtures/models/llama-gqa");
let folder: string;
let fake: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-device-"));
  fake = join(folder, "fake.json");
  vi.stubEnv("XDG_CACHE_HOME", folder);
  vi.stubEnv("REFRAIN_DEVICE_PROFILE", undefined);
  await writeFile(fake, JSON.stringify(fakeProfile([fakeMeasurement(), fakeMeasurement({ threads: 2 })])));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

describe("inspect with a profile of a device", () => {
  it("says how to make one where there is none, and measures nothing", async () => {
    const { code, out } = await commandLine(["inspect", fixture]);
    expect(code).toBe(0);
    expect(out).toContain("To have speeds predicted, measure this device once: refrain device");
    expect(out).not.toContain("predicted, ms");
    expect(JSON.parse((await commandLine(["inspect", fixture, "--json"])).out).device).toBeNull();
  });

  it("predicts speeds of every schedule for the device that is named", async () => {
    const { code, out, err } = await commandLine(["inspect", fixture, "--schedule", "0 0", "--profile", fake]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/predicted, ms \(tokens\/s\) +as stored +--schedule\n/);
    expect(out).toMatch(/a token, weights in q8( +\S+ \(\S+\/s\)){2}\n/);
    expect(out).toContain(`Abacus 9, 2 threads, as measured 2026-11-24 (${fake})`);
  });

  it("says so where the profile was made beside other work", async () => {
    const busy = join(folder, "busy.json");
    await writeFile(busy, JSON.stringify({ ...JSON.parse(await readFile(fake, "utf8")), otherWork: 0.4 }));
    const { out } = await commandLine(["inspect", fixture, "--profile", busy]);
    expect(out).toContain("Other work took 40 % of the processors while it was measured");
  });

  it("gives the parts of the prediction as JSON", async () => {
    const { out } = await commandLine(["inspect", fixture, "--profile", fake, "--threads", "1", "--json"]);
    const { device, schedules } = JSON.parse(out);
    expect(device).toMatchObject({ path: fake, threads: 1, machine: { processor: "Abacus 9" } });
    const { speed } = schedules[0];
    expect(Object.keys(speed)).toEqual(["file", "f32", "f16", "q8", "q4"]);
    expect(Object.keys(speed.file)).toEqual(["prompt", "promptSeconds", "decode", "last"]);
    expect(Object.keys(speed.q4.decode.parts)).toEqual(["linear", "attention", "elements", "synchronization"]);
    expect(speed.f32.decode.seconds).toBeGreaterThan(speed.q4.decode.seconds);
  });

  it.each([
    ["a profile that is not there", () => ["--profile", "nowhere.json"], "There is no file nowhere.json"],
    [
      "a number of threads that was not measured",
      () => ["--profile", fake, "--threads", "7"],
      "no figures for 7 threads, only for 1 and 2",
    ],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await commandLine(["inspect", fixture, ...words()]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(message);
  });

  it("refuses a damaged profile", async () => {
    const damaged = join(folder, "damaged.json");
    await writeFile(damaged, '{"format": "refrain device profile", "version": 1');
    const { code, err } = await commandLine(["inspect", fixture, "--profile", damaged]);
    expect(code).toBe(2);
    expect(err).toContain("is not JSON");
    expect(err).toContain("Make it again: refrain device.");
  });
});

describe("device", () => {
  it("measures this machine, keeps the profile where inspect finds it, and draws a picture", {
    timeout: 120_000,
  }, async () => {
    const out = join(folder, "out");
    const { code, out: printed } = await commandLine(["device", "-o", out, "--json"]);
    expect(code).toBe(0);
    const { path, profile, levels } = JSON.parse(printed);
    expect(path.startsWith(folder)).toBe(true);
    expect(profile.measurements.at(-1).rates).toHaveProperty("linearQ4");
    expect(profile.measurements[0].rates.linearQ4.exposed).toBeGreaterThanOrEqual(0);
    expect(levels[0].levels.length).toBeGreaterThan(0);
    expect((await readdir(out)).sort()).toEqual(["bandwidth.png", "bandwidth.svg", "device.json"]);
    expect(await readFile(join(out, "bandwidth.svg"), "utf8")).toContain("working set of all threads together");

    const inspected = await commandLine(["inspect", fixture]);
    expect(inspected.out).toContain("predicted, ms (tokens/s)");
    expect(inspected.out).toContain(path);
  });

  it.each([
    ["one thread, which is always measured", ["--threads", "1"], '--threads: got "1"'],
    ["a file where a folder should be", ["-o", fixture.concat("/config.json")], "is a file, expected a folder"],
  ])("refuses %s", async (_, words, message) => {
    const { code, err } = await commandLine(["device", ...words]);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
