/** Rows of results: medians and ratios, the printed table, the machine. */
import { arch, availableParallelism, cpus, platform } from "node:os";

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {number} ours median over the rounds
 * @property {number} peer median over the rounds
 * @property {string} peerName
 * @property {number} ratio median of peer / ours over the rounds: above 1, we are faster
 * @property {string} unit of `ours` and `peer`
 * @property {number} rounds
 * @property {{ ours: number, peer: number }} best fastest round of each; far from the medians, the machine was not quiet
 */

/** What `--json` writes of a row. */
export const rowKeys = ["name", "ours", "peer", "peerName", "ratio", "unit", "rounds"];

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Ratios are taken within each round, where both ran under the same conditions, and only then their median.
 * @param {readonly number[]} ours one figure a round
 * @param {readonly number[]} peer one figure a round
 * @returns {Row}
 */
export function row(name, ours, peer, peerName, unit) {
  const ratio = median(ours.map((value, round) => peer[round] / value));
  const digits = (value) => Number(value.toPrecision(4));
  return {
    name,
    ours: digits(median(ours)),
    peer: digits(median(peer)),
    peerName,
    ratio: digits(ratio),
    unit,
    rounds: ours.length,
    best: { ours: Math.min(...ours), peer: Math.min(...peer) },
  };
}

/** @param {readonly Row[]} rows */
export function printRows(title, rows) {
  const header = ["", "ours", "best", "peer", "best", "ratio", "against"];
  const lines = rows.map(({ name, ours, peer, ratio, peerName, best }) => [
    name,
    ours.toFixed(2),
    best.ours.toFixed(2),
    peer.toFixed(2),
    best.peer.toFixed(2),
    ratio.toFixed(2),
    peerName,
  ]);
  const better = rows[0].unit === "MB" ? "smaller" : "faster";
  console.log(`\n${title}, ${rows[0].unit}, medians of ${rows[0].rounds} rounds (ratio above 1: ours is ${better})`);
  printTable([header, ...lines], [1, 2, 3, 4, 5]);
}

/**
 * @param {readonly (readonly string[])[]} lines
 * @param {readonly number[]} numbers columns that end flush
 */
export function printTable(lines, numbers) {
  const widths = lines[0].map((_, c) => Math.max(...lines.map((line) => line[c].length)));
  for (const line of lines) {
    const cells = line.map((cell, c) => (numbers.includes(c) ? cell.padStart(widths[c]) : cell.padEnd(widths[c])));
    console.log(cells.join("  ").trimEnd());
  }
}

export function printMachine() {
  const model = cpus()[0]?.model ?? "unknown processor";
  console.log(`${model}, ${availableParallelism()} cores, ${platform()} ${arch()}, Node ${process.version}`);
}
