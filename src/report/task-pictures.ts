/** The picture of task results, by file name. */
import { svgToPng } from "./node-png.ts";
import { type TaskBars, taskBars } from "./task-bars.ts";

/** Dots of the PNG for each pixel of the SVG. */
const DOTS = 1.5;

export async function taskPictures(models: TaskBars["models"]): Promise<Record<string, Uint8Array | string>> {
  const svg = taskBars({ models });
  return { "tasks.svg": svg, "tasks.png": await svgToPng(svg, DOTS) };
}
