import { expect, it } from "vitest";
import { svgToPng } from "./node-png.ts";

function svg(content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20" font-family="DejaVu Sans, Arial, sans-serif">${content}</svg>`;
}

it("is a PNG file of the picture's size times the scale", async () => {
  const png = Buffer.from(await svgToPng(svg(""), 3));
  expect(png.subarray(0, 8)).toEqual(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]));
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([120, 60]);
});

it("draws text with the font that comes along, and bold text with another", async () => {
  const empty = await svgToPng(svg(""));
  const plain = await svgToPng(svg(`<text y="15">drop</text>`));
  const bold = await svgToPng(svg(`<text y="15" font-weight="700">drop</text>`));
  expect(plain).not.toEqual(empty);
  expect(bold).not.toEqual(plain);
});

it("refuses what is no SVG", async () => {
  await expect(svgToPng("<svg")).rejects.toMatchObject({ code: "png-render", kind: "failure" });
  expect(await svgToPng(svg(""))).toBeDefined();
});
