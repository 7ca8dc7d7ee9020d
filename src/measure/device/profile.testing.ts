/** A device whose figures are round, for tests of what is made of them. */
import { type DeviceProfile, type Measurement, PROFILE_VERSION } from "./profile.ts";

/** Reads everything at 10 GB/s, and is never slowed down by anything else, unless `more` says so. */
export function fakeMeasurement(more: Partial<Measurement> = {}): Measurement {
  const fast = { oneRow: 1e15, manyRows: 1e15 };
  return {
    threads: 1,
    bandwidth: [
      { bytes: 2 ** 14, bytesPerSecond: 10e9 },
      { bytes: 2 ** 28, bytesPerSecond: 10e9 },
    ],
    synchronization: { play: 0, instruction: 0, barrier: 0, wake: 0 },
    rates: {
      linearF32: { kind: "linear", ...fast },
      attention: { kind: "attention", ...fast },
      add: { kind: "elements", ...fast },
    },
    ...more,
  };
}

export function fakeProfile(measurements: readonly Measurement[] = [fakeMeasurement()]): DeviceProfile {
  return {
    format: "refrain device profile",
    version: PROFILE_VERSION,
    machine: { processor: "Abacus 9", cores: 2, arch: "x64", platform: "linux", runtime: "Node 20" },
    engine: { version: "0.1.0", build: "relaxed-threads", sha256: "0".repeat(64) },
    measuredAt: "2026-11-24T12:00:00.000Z",
    otherWork: 0,
    measurements: [...measurements],
  };
}
