/**
 * What every picture is made of: the frame with its title for the eye and for a screen reader, text, ticks, hatching.
 * SVG as a string; no DOM. Only what both browsers and resvg draw alike is used: attributes, no style sheet.
 */
import { FAINT, INK, PAPER } from "./color.ts";
import { type Content, type Markup, markup } from "./markup.ts";
import { fitText } from "./text-width.ts";

/** All pictures have this width, in pixels, so that they stand in one column of a report. */
export const PICTURE_WIDTH = 1000;
export const MARGIN = 28;
/** Where a picture's own content begins, below title and subtitle. */
export const CONTENT_TOP = 76;

export interface Frame {
  readonly height: number;
  /** A question or statement in plain words. */
  readonly title: string;
  /** What was measured, on what. */
  readonly subtitle: string;
  /** What the picture shows, for someone who cannot see it. */
  readonly description: string;
}

/** A whole picture, as the text of an SVG file. */
export function picture(frame: Frame, content: Content): string {
  const { height, title, subtitle, description } = frame;
  const room = PICTURE_WIDTH - 2 * MARGIN;
  return markup`<svg xmlns="http://www.w3.org/2000/svg" width="${PICTURE_WIDTH}" height="${height}" viewBox="0 0 ${PICTURE_WIDTH} ${height}" role="img" aria-label="${title}" font-family="DejaVu Sans, Arial, sans-serif" font-size="12" fill="${INK}">
<title>${title}</title>
<desc>${description}</desc>
<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#eceef2"/><rect width="1.6" height="6" fill="#a9afbb"/></pattern></defs>
<rect width="${PICTURE_WIDTH}" height="${height}" fill="${PAPER}"/>
${label(MARGIN, 34, fitText(title, room, 20, true), { size: 20, bold: true })}
${label(MARGIN, 56, fitText(subtitle, room, 13), { size: 13, color: FAINT })}
${content}
</svg>
`.source;
}

export interface LabelStyle {
  readonly size?: number;
  readonly bold?: boolean;
  readonly color?: string;
  readonly anchor?: "start" | "middle" | "end";
  /** Turned to read upwards, about its own place. */
  readonly upwards?: boolean;
}

/** Text whose baseline is at y. */
export function label(x: number, y: number, text: string, style: LabelStyle = {}): Markup {
  const { size = 12, bold = false, color = INK, anchor = "start", upwards = false } = style;
  return markup`<text x="${x}" y="${y}" font-size="${size}"${bold && markup` font-weight="700"`}${anchor !== "start" && markup` text-anchor="${anchor}"`}${color !== INK && markup` fill="${color}"`}${upwards && markup` transform="rotate(-90 ${x} ${y})"`}>${text}</text>
`;
}

export function line(x1: number, y1: number, x2: number, y2: number, color: string, width = 1): Markup {
  return markup`<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}" stroke-width="${width}"/>
`;
}
