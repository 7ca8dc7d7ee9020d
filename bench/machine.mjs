/**
 * How busy the machine was with other work: engines that wait for each other at barriers suffer out of proportion, so
 * figures from a busy machine compare nothing.
 */
import { availableParallelism, cpus } from "node:os";

/** Processor time of our engines, as they report it, in ms. */
let engines = 0;
/** Sums over all that was watched, in ms. */
const watched = { capacity: 0, others: 0 };

/** Adds processor time, in ms, that an engine has used. */
export function countAsOurs(milliseconds) {
  engines += milliseconds;
}

const busy = () => cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
const own = () => (process.cpuUsage().user + process.cpuUsage().system) / 1000 + engines;

/** Watches the processors while `work` runs; all engines must have started and none may end meanwhile. */
export async function watchOthers(work) {
  const begin = { wall: performance.now(), busy: busy(), own: own() };
  const result = await work();
  watched.others += busy() - begin.busy - (own() - begin.own);
  watched.capacity += (performance.now() - begin.wall) * availableParallelism();
  return result;
}

/** What share of the processors other processes took while we watched. */
export function describeOthers() {
  if (watched.capacity === 0) return "how busy the machine was with other work was not watched";
  const share = Math.max(0, Math.round((100 * watched.others) / watched.capacity));
  const warning = share > 5 ? ": these figures compare nothing, repeat them on a quiet machine" : "";
  return `other processes took ${share} % of the processors meanwhile${warning}`;
}
