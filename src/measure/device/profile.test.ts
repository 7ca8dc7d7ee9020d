import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { nodeHost } from "../../engine/wasm/node-host.ts";
import { RefrainError } from "../../errors.ts";
import { fakeMeasurement, fakeProfile } from "./profile.testing.ts";
import { measurementFor, parseProfile } from "./profile.ts";
import { profilePath, readProfile, thisDevice, writeProfile } from "./profile-file.ts";

const profile = fakeProfile([fakeMeasurement(), fakeMeasurement({ threads: 2 })]);
// biome-ignore lint/suspicious/noExplicitAny: a document that a test damages
const changed = (change: (document: any) => unknown): string => {
  const copy = JSON.parse(JSON.stringify(profile));
  change(copy);
  return JSON.stringify(copy);
};

describe("the text of a profile", () => {
  it("is read as it was written", () => {
    expect(parseProfile(JSON.stringify(profile), "p.json")).toEqual(profile);
  });

  it.each<[string, string, string]>([
    ["half a file", JSON.stringify(profile).slice(0, 100), "p.json is not JSON; it is damaged"],
    ["an empty file", "", "p.json is not JSON"],
    ["another document", '{"format":"something"}', "p.json is not a device profile of Refrain"],
    ["a list", "[]", "p.json is not a device profile"],
    ["null", "null", "p.json is not a device profile"],
    [
      "an older form",
      changed((d) => (d.version = 0)),
      "was written by an older Refrain (version 0 of the format, expected 1)",
    ],
    ["a newer form", changed((d) => (d.version = 2)), "was written by a newer Refrain"],
    ["no measurements", changed((d) => (d.measurements = [])), "p.json: measurements: Invalid length"],
    [
      "a negative speed",
      changed((d) => (d.measurements[0].bandwidth[0].bytesPerSecond = -1)),
      "measurements.0.bandwidth.0.bytesPerSecond",
    ],
    [
      "sizes out of order",
      changed((d) => d.measurements[0].bandwidth.reverse()),
      "measurements.0.bandwidth: expected ascending bytes",
    ],
    [
      "no kernels",
      changed((d) => (d.measurements[1].rates = {})),
      "measurements.1.rates: expected at least one kernel",
    ],
    [
      "a text for a number",
      changed((d) => (d.measurements[0].synchronization.barrier = "1")),
      "synchronization.barrier",
    ],
    ["a missing machine", changed((d) => delete d.machine), "p.json: machine"],
    [
      "a speed of null, as JSON writes infinity",
      changed((d) => (d.measurements[0].rates.add.oneRow = null)),
      "rates.add.oneRow",
    ],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseProfile(text, "p.json")).toThrow(message);
    try {
      parseProfile(text, "p.json");
    } catch (error) {
      expect(error).toMatchObject({ kind: "input", code: "device-profile", help: "Make it again: refrain device." });
    }
  });

  it("is a profile or an error of ours, whatever it is", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((v) => `{"format":"refrain device profile","version":1,"machine":${v}}`),
        ),
        (text) => {
          try {
            parseProfile(text, "p.json");
          } catch (error) {
            expect(RefrainError.is(error)).toBe(true);
          }
        },
      ),
    );
  });

  it("has figures for the threads that were measured and no others", () => {
    expect(measurementFor(profile, 2).threads).toBe(2);
    expect(() => measurementFor(profile, 4)).toThrow("no figures for 4 threads, only for 1 and 2");
  });
});

describe("the file of a profile", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "refrain-profile-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("is written whole and read back", async () => {
    const path = join(folder, "new", "device.json");
    expect(await readProfile(path)).toBeUndefined();
    await writeProfile(path, profile);
    expect(await readdir(join(folder, "new"))).toEqual(["device.json"]);
    expect(await readProfile(path)).toEqual(profile);
  });

  it("is not what cannot be read", async () => {
    await expect(readProfile(folder)).rejects.toMatchObject({ kind: "input", code: "device-profile" });
    await writeFile(join(folder, "damaged.json"), "{");
    await expect(readProfile(join(folder, "damaged.json"))).rejects.toThrow("is not JSON");
  });

  it("has a place of its own for each machine and build of the kernels", async () => {
    vi.stubEnv("XDG_CACHE_HOME", folder);
    vi.stubEnv("REFRAIN_DEVICE_PROFILE", undefined);
    const device = await thisDevice(nodeHost);
    const path = profilePath(device, undefined);
    expect(path).toMatch(/refrain.device-[0-9a-f]{12}\.json$/);
    expect(path.startsWith(folder)).toBe(true);
    expect(profilePath(await thisDevice(nodeHost), undefined)).toBe(path);
    const { machine, engine } = device;
    expect(profilePath({ machine, engine: { ...engine, sha256: "1".repeat(64) } }, undefined)).not.toBe(path);
    expect(profilePath({ engine, machine: { ...machine, processor: "another" } }, undefined)).not.toBe(path);
    vi.stubEnv("REFRAIN_DEVICE_PROFILE", "mine.json");
    expect(profilePath(device, undefined)).toBe("mine.json");
    expect(profilePath(device, "given.json")).toBe("given.json");
    vi.unstubAllEnvs();
  });
});
