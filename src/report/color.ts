/**
 * Colors of the pictures. The scale is viridis (Smith and van der Walt, matplotlib 1.5; CC0): equal steps of the value
 * look like equal steps of color, also in grey and to color-blind eyes. Sampled at ten even places, blended between.
 */

const VIRIDIS = [
  0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725,
] as const;

export const INK = "#1d2129";
export const FAINT = "#5b6270";
export const GRID = "#dfe3ea";
export const PAPER = "#ffffff";
/** What is dropped or chosen. */
export const ACCENT = "#c0221a";
/** Bars and everything else that is only there. */
export const PLAIN = "#31688e";

/** Lines of a chart: told apart by color-blind eyes, each at least 3:1 against white. */
export const SERIES = ["#31688e", "#c0221a", "#16796a", "#8a5a00", "#6a3d9a", "#444b57"] as const;

/** 0 is dark violet, 1 bright yellow; outside is held at the ends. */
export function viridis(value: number): string {
  return hex(sample(value));
}

/** The same, paled towards white, so that dark text stands on it. */
export function paleViridis(value: number): string {
  return hex(sample(value).map((channel) => 255 - (255 - channel) * 0.45));
}

/** Black or white, whichever can be read on that value's color (relative luminance, WCAG 2). */
export function inkOn(value: number): string {
  const [r, g, b] = sample(value).map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  return luminance > 0.179 ? "#000000" : "#ffffff";
}

/** Red, green and blue, 0…255. */
function sample(value: number): number[] {
  const place = Math.min(1, Math.max(0, value)) * (VIRIDIS.length - 1);
  const below = Math.min(VIRIDIS.length - 2, Math.floor(place));
  const share = place - below;
  const from = channels(VIRIDIS[below]!);
  const to = channels(VIRIDIS[below + 1]!);
  return from.map((channel, i) => channel + (to[i]! - channel) * share);
}

function channels(color: number): number[] {
  return [color >> 16, (color >> 8) & 255, color & 255];
}

function hex(rgb: readonly number[]): string {
  return `#${rgb.map((channel) => Math.round(channel).toString(16).padStart(2, "0")).join("")}`;
}
