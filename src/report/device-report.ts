/** What `refrain device` shows: tables for a terminal, and bandwidth against working set as a picture. */
import { levels } from "../measure/device/curve.ts";
import type { DeviceProfile, Measurement } from "../measure/device/profile.ts";
import { doubt } from "./doubt.ts";
import { formatNumber } from "./format.ts";
import { lines } from "./lines.ts";
import { svgToPng } from "./node-png.ts";
import { type Column, type Row, textTable } from "./table.ts";

const giga = (perSecond: number) => formatNumber(perSecond / 1e9);
const threadsOf = ({ threads }: Measurement) => (threads === 1 ? "1 thread" : `${threads} threads`);

export function deviceText({ machine, engine, measurements, otherWork }: DeviceProfile): string {
  return [
    `${machine.processor}, ${machine.cores} ${machine.cores === 1 ? "core" : "cores"}, ${machine.platform} ${machine.arch}, ${machine.runtime}\nkernels ${engine.build}, Refrain ${engine.version}`,
    ...measurements.map(levelTable),
    rateTable(measurements),
    synchronizationTable(measurements),
    ...doubt(otherWork),
  ].join("\n\n");
}

function levelTable(measurement: Measurement): string {
  const found = levels(measurement.bandwidth);
  const columns: readonly Column[] = [
    { title: `reading, ${threadsOf(measurement)}`, align: "left" },
    { title: "up to" },
    { title: "GB/s" },
  ];
  const rows = found.map(({ bytes, bytesPerSecond }, i): Row => {
    const name = bytes === undefined ? "memory" : `cache ${i + 1}`;
    return [name, bytes === undefined ? "" : binaryBytes(bytes), giga(bytesPerSecond)];
  });
  return textTable(columns, rows);
}

/** A line for each kernel. */
function rateTable(measurements: readonly Measurement[]): string {
  const names = [...new Set(measurements.flatMap(({ rates }) => Object.keys(rates)))];
  const units = { linear: "GMAC/s", attention: "GMAC/s", elements: "G elements/s" } as const;
  const columns: readonly Column[] = [
    { title: "kernel", align: "left" },
    { title: "unit", align: "left" },
    ...measurements.flatMap((one) => [{ title: `${threadsOf(one)}, 1 row` }, { title: "many rows" }]),
  ];
  const order = ["linear", "attention", "elements"];
  const kindOf = (name: string) => measurements.find(({ rates }) => rates[name])!.rates[name]!.kind;
  const rows = names
    .sort((a, b) => order.indexOf(kindOf(a)) - order.indexOf(kindOf(b)))
    .map((name): Row => {
      const unit = name.endsWith(" start") ? "G elements/s" : units[kindOf(name)];
      const cells = measurements.flatMap(({ rates }) => {
        const rate = rates[name];
        return rate ? [giga(rate.oneRow), giga(rate.manyRows)] : ["", ""];
      });
      return [name, unit, ...cells];
    });
  return textTable(columns, rows);
}

function synchronizationTable(measurements: readonly Measurement[]): string {
  const lines = [
    ["a play of nothing", "play"],
    ["the same after a rest", "wake"],
    ["a barrier", "barrier"],
    ["an instruction", "instruction"],
  ] as const;
  return textTable(
    [{ title: "what it costs, µs", align: "left" }, ...measurements.map((one) => ({ title: threadsOf(one) }))],
    lines.map(([name, key]) => [
      name,
      ...measurements.map(({ synchronization }) => formatNumber(synchronization[key] * 1e6, 2)),
    ]),
  );
}

/** `bandwidth.svg` and `bandwidth.png`. */
export async function devicePictures({
  machine,
  measurements,
}: DeviceProfile): Promise<Record<string, string | Uint8Array>> {
  const sizes = measurements.flatMap(({ bandwidth }) => bandwidth.map(({ bytes }) => bytes));
  const svg = lines({
    title: "How fast is memory that is read again and again?",
    subtitle: `${machine.processor}, ${machine.cores} cores, ${machine.runtime}; each thread reads its own part of the working set`,
    x: "working set of all threads together",
    y: "GB/s",
    series: measurements.map((one) => ({
      name: threadsOf(one),
      points: one.bandwidth.map(({ bytes, bytesPerSecond }) => [bytes, bytesPerSecond / 1e9] as const),
    })),
    logarithmic: { ticks: powersOfFour(Math.min(...sizes), Math.max(...sizes)), written: binaryBytes },
  });
  return { "bandwidth.svg": svg, "bandwidth.png": await svgToPng(svg) };
}

function powersOfFour(min: number, max: number): number[] {
  const ticks: number[] = [];
  for (let tick = 4 ** Math.ceil(Math.log2(min) / 2); tick <= max; tick *= 4) ticks.push(tick);
  return ticks;
}

/** Caches are sold in powers of two: 48 KiB, 1 MiB. */
function binaryBytes(bytes: number): string {
  const rounded = (units: number) => Number(units.toPrecision(3));
  return bytes < 2 ** 20 ? `${rounded(bytes / 2 ** 10)} KiB` : `${rounded(bytes / 2 ** 20)} MiB`;
}
