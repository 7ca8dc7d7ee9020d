/** `refrain device`: how fast memory, caches, kernels and threads are here; the profile that predictions are made from. */
import { nodeHost } from "../engine/wasm/node-host.ts";
import { levels } from "../measure/device/curve.ts";
import { measureDevice } from "../measure/device/measure-device.ts";
import { watchOtherWork } from "../measure/device/other-work.ts";
import { type DeviceProfile, PROFILE_VERSION } from "../measure/device/profile.ts";
import { profilePath, thisDevice, writeProfile } from "../measure/device/profile-file.ts";
import { devicePictures, deviceText } from "../report/device-report.ts";
import { requireReportFolder, writeReport } from "../report/write-report.ts";
import { defineRefrainCommand } from "./define.ts";
import { integer, profileOption, text } from "./options.ts";

/** Beyond the last cache of most processors; a quarter of the free memory where that is less, at least so much. */
const LARGEST = 1 << 28;
const LEAST = 1 << 22;

export const command = defineRefrainCommand({
  options: {
    threads: integer({
      hint: "N",
      min: 2,
      max: 64,
      description: "measure with one thread and with so many (default: the cores of this machine, at most 8)",
    }),
    profile: profileOption("keep the profile here"),
    out: text({ hint: "DIR", alias: "o", description: "write device.json and the picture (SVG and PNG) here" }),
  },
  run: async ({ threads, profile: given, out }, { output, signal, onProgress }) => {
    if (out !== undefined) await requireReportFolder(out);
    const device = await thisDevice(nodeHost);
    const path = profilePath(device, given);
    const most = threads ?? Math.min(8, nodeHost.cores);
    const otherWork = watchOtherWork();
    const measurements = await measureDevice(nodeHost, {
      threads: most === 1 || !device.engine.build.endsWith("-threads") ? [1] : [1, most],
      largest: Math.max(LEAST, Math.min(LARGEST, nodeHost.availableMemory() / 4)),
      onProgress,
      signal,
    });
    const profile: DeviceProfile = {
      format: "refrain device profile",
      version: PROFILE_VERSION,
      ...device,
      measuredAt: new Date().toISOString(),
      otherWork: otherWork(),
      measurements,
    };
    await writeProfile(path, profile);
    const document = {
      path,
      profile,
      levels: measurements.map((one) => ({ threads: one.threads, levels: levels(one.bandwidth) })),
    };
    if (out !== undefined) {
      const json = `${JSON.stringify(document, null, 2)}\n`;
      await writeReport(out, { "device.json": json, ...(await devicePictures(profile)) }, signal);
    }
    output.result(
      document,
      [
        deviceText(profile),
        `Kept in ${path}: refrain inspect predicts speeds from it.`,
        ...(out === undefined ? [] : [`The picture is in ${out}.`]),
      ].join("\n\n"),
    );
  },
});
