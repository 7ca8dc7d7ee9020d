/** The profile of a device: what was measured on it, and how a file of it is read. */
import * as v from "valibot";
import { inputError } from "../../errors.ts";

/** Raised when a reader of the old form would misunderstand the new one. */
export const PROFILE_VERSION = 1;

const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const seconds = v.pipe(v.number(), v.finite(), v.minValue(0));
const threads = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(64));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const short = v.pipe(v.string(), v.maxLength(200));

const point = v.strictObject({ bytes: positive, bytesPerSecond: positive });
const curve = v.pipe(
  v.array(point),
  v.minLength(2),
  v.maxLength(200),
  v.check(
    (points) => points.every(({ bytes }, i) => i === 0 || bytes > points[i - 1]!.bytes),
    "expected ascending bytes",
  ),
);
const rate = v.strictObject({
  kind: v.picklist(["linear", "attention", "elements"]),
  oneRow: positive,
  manyRows: positive,
  exposed: v.exactOptional(share),
});

const measurement = v.strictObject({
  threads,
  /** Bytes a second of all threads together by the bytes that they read again and again; ascending. */
  bandwidth: curve,
  /** Seconds; see synchronization.ts. */
  synchronization: v.strictObject({ play: seconds, instruction: seconds, barrier: seconds, wake: seconds }),
  /** Operations a second by kernel; see kernel-rates.ts. */
  rates: v.pipe(
    v.record(short, rate),
    v.check((rates) => Object.keys(rates).length > 0, "expected at least one kernel"),
  ),
});

const schema = v.strictObject({
  format: v.literal("refrain device profile"),
  version: v.literal(PROFILE_VERSION),
  machine: v.strictObject({
    processor: short,
    cores: v.pipe(v.number(), v.integer(), v.minValue(1)),
    arch: short,
    platform: short,
    /** Of the JavaScript engine that compiles the kernels. */
    runtime: short,
  }),
  engine: v.strictObject({
    version: short,
    /** Which build of the kernels: "relaxed-threads". */
    build: short,
    /** SHA-256 of that build, in hexadecimal. */
    sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits")),
  }),
  measuredAt: short,
  /** Share of the processors that other work took meanwhile. */
  otherWork: share,
  /** One for each number of threads, ascending. */
  measurements: v.pipe(v.array(measurement), v.minLength(1), v.maxLength(64)),
});

export type DeviceProfile = Readonly<v.InferOutput<typeof schema>>;
export type Machine = DeviceProfile["machine"];
export type EngineBuild = DeviceProfile["engine"];
/** What was measured with one number of threads. */
export type Measurement = Readonly<v.InferOutput<typeof measurement>>;

const AGAIN = "Make it again: refrain device.";

/** Reads the text of a profile; `path` stands in messages. Error: `device-profile`. */
export function parseProfile(text: string, path: string): DeviceProfile {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw inputError("device-profile", `${path} is not JSON; it is damaged or no device profile`, AGAIN);
  }
  const head = v.safeParse(v.looseObject({ format: schema.entries.format, version: v.number() }), document);
  if (!head.success) throw inputError("device-profile", `${path} is not a device profile of Refrain`, AGAIN);
  if (head.output.version !== PROFILE_VERSION) {
    const age = head.output.version < PROFILE_VERSION ? "an older" : "a newer";
    throw inputError(
      "device-profile",
      `${path} was written by ${age} Refrain (version ${head.output.version} of the format, expected ${PROFILE_VERSION})`,
      AGAIN,
    );
  }
  const parsed = v.safeParse(schema, document);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw inputError("device-profile", `${path}: ${v.getDotPath(issue) ?? "profile"}: ${issue.message}`, AGAIN);
}

/** The measurement with so many threads. Error: `device-threads` where there is none. */
export function measurementFor(profile: DeviceProfile, wanted: number): Measurement {
  const found = profile.measurements.find((one) => one.threads === wanted);
  if (found) return found;
  const measured = profile.measurements.map((one) => one.threads).join(" and ");
  throw inputError(
    "device-threads",
    `the device profile has no figures for ${wanted} threads, only for ${measured}`,
    `Run refrain device --threads ${wanted}, or choose another number.`,
  );
}
