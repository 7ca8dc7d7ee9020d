/**
 * The full fuzz run: 100,000 damaged files for each format, with a bound on the memory of the whole process.
 *
 *     node --max-old-space-size=192 --import ./test/run-ts.mjs test/fuzz/run.ts [FORMAT [COUNT [FIRST SEED]]]
 */
import { fuzz, type Target } from "./fuzz.ts";
import { gguf } from "./gguf.ts";
import { llama2c } from "./llama2c.ts";
import { safetensors } from "./safetensors.ts";

const targets: readonly Target[] = [safetensors, gguf, llama2c];
const maxRssMB = 256;

const [format, count = "100000", first = "0"] = process.argv.slice(2);
for (const target of targets.filter(({ name }) => format === undefined || name === format)) {
  const start = performance.now();
  const { accepted, refused, slowestMs } = await fuzz(target, Number(first), Number(first) + Number(count));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const rssMB = process.resourceUsage().maxRSS / 1024;
  console.log(
    `${target.name}: ${count} files in ${seconds} s, slowest ${slowestMs.toFixed(0)} ms, ${rssMB.toFixed(0)} MB`,
  );
  for (const [code, times] of [["accepted", accepted] as const, ...refused]) console.log(`  ${times}  ${code}`);
  if (rssMB > maxRssMB) throw new Error(`${target.name}: more than ${maxRssMB} MB of memory`);
}
