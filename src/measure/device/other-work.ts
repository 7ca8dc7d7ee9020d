/** How busy the machine was with other work while something was measured: figures from a busy machine predict nothing. */
import { availableParallelism, cpus } from "node:os";

/** Call the result at the end: the share, 0 to 1, of the processors that other processes took since. */
export function watchOtherWork(): () => number {
  const begin = { wall: performance.now(), all: allWork(), own: process.cpuUsage() };
  return () => {
    const { user, system } = process.cpuUsage(begin.own);
    const others = allWork() - begin.all - (user + system) / 1000;
    return Math.min(1, Math.max(0, others / ((performance.now() - begin.wall) * availableParallelism())));
  };
}

/** Milliseconds that all processors have worked. */
const allWork = () => cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
