/** Where profiles are kept: one file for each machine and build of the kernels, in the user's cache folder. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { cacheFolder } from "../../cache-folder.ts";
import type { Host } from "../../engine/wasm/host.ts";
import { bestVariant, variantName } from "../../engine/wasm/variant.ts";
import { inputError } from "../../errors.ts";
import { processorName } from "../../machine.ts";
import { writeReport } from "../../report/write-report.ts";
import { version } from "../../version.ts";
import { isSystemError } from "../../weights/node-file.ts";
import { type DeviceProfile, type EngineBuild, type Machine, parseProfile } from "./profile.ts";

/** What a profile holds for: another processor, runtime or build of the kernels has other figures. */
export interface Device {
  readonly machine: Machine;
  readonly engine: EngineBuild;
}

export async function thisDevice(host: Host): Promise<Device> {
  host.prepare();
  const build = variantName(bestVariant());
  const sha256 = createHash("sha256")
    .update(await host.kernels(build))
    .digest("hex");
  const machine = {
    processor: processorName(),
    cores: availableParallelism(),
    arch: process.arch,
    platform: process.platform,
    runtime: `Node ${process.versions.node}, V8 ${process.versions.v8}`,
  };
  return { machine, engine: { version, build, sha256 } };
}

/** `given` by the caller, else $REFRAIN_DEVICE_PROFILE, else the device's own file in $XDG_CACHE_HOME or ~/.cache. */
export function profilePath(device: Device, given: string | undefined): string {
  const chosen = given ?? process.env.REFRAIN_DEVICE_PROFILE;
  if (chosen !== undefined && chosen !== "") return chosen;
  const { machine, engine } = device;
  const key = createHash("sha256")
    .update(JSON.stringify([machine, engine.build, engine.sha256]))
    .digest("hex");
  return join(cacheFolder(), `device-${key.slice(0, 12)}.json`);
}

/** Undefined where there is no such file. Error: `device-profile`. */
export async function readProfile(path: string): Promise<DeviceProfile | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw inputError("device-profile", `${path} cannot be read as a device profile: ${reason}`, "Name another file.");
  }
  return parseProfile(text, path);
}

/** The file is whole or not there. Errors: those of `writeReport`. */
export async function writeProfile(path: string, profile: DeviceProfile): Promise<void> {
  const place = resolve(path);
  await writeReport(dirname(place), { [basename(place)]: `${JSON.stringify(profile, null, 1)}\n` });
}
