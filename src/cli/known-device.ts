/** The device that `refrain inspect` predicts speeds for: this one, if it was measured, or one whose profile is named. */
import { nodeHost } from "../engine/wasm/node-host.ts";
import { inputError } from "../errors.ts";
import { type DeviceProfile, type Measurement, measurementFor } from "../measure/device/profile.ts";
import { profilePath, readProfile, thisDevice } from "../measure/device/profile-file.ts";

/** As it stands in the result. */
export interface NamedDevice extends Pick<DeviceProfile, "machine" | "engine" | "measuredAt" | "otherWork"> {
  readonly path: string;
  readonly threads: number;
}

/** Undefined where nobody has measured this device and no other is named. Errors: `device-profile`, `device-threads`. */
export async function knownDevice(
  given: string | undefined,
  threads: number | undefined,
): Promise<{ readonly named: NamedDevice; readonly measured: Measurement } | undefined> {
  const path = profilePath(await thisDevice(nodeHost), given);
  const profile = await readProfile(path);
  if (!profile) {
    if (given === undefined) return undefined;
    throw inputError("device-profile", `There is no file ${given}`, `Make it: refrain device --profile ${given}`);
  }
  const { machine, engine, measuredAt, otherWork, measurements } = profile;
  const measured = threads === undefined ? measurements.at(-1)! : measurementFor(profile, threads);
  return { named: { path, threads: measured.threads, machine, engine, measuredAt, otherWork }, measured };
}
