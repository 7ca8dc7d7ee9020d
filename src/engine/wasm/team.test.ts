import { expect, it } from "vitest";
import { Team } from "./team.ts";

/** Plays until the team rests, each play with a stall, and returns when that is. */
function stallUntilRest(team: Team, from: number): number {
  let now = from;
  while (team.next(now) > 1) team.report(1, now, now++);
  return now - 1;
}

it("plays with all threads where nobody comes late, and puts up with a stall now and then", () => {
  const team = new Team(4);
  for (let now = 0; now < 1000; now++) {
    expect(team.next(now)).toBe(4);
    team.report(now % 50 === 0 ? 2 : 0, now, now);
  }
});

it("plays alone for a while after stalls in a row, longer each time that they come again, up to 3.2 s", () => {
  const team = new Team(2);
  const pauses = [];
  let now = 0;
  for (let trial = 0; trial < 8; trial++) {
    const stalled = stallUntilRest(team, now);
    now = stalled;
    while (team.next(now) === 1) now++;
    pauses.push(now - stalled);
  }
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 3200, 3200]);
});

it("begins with the shortest pause again once plays have gone well for long enough", () => {
  const team = new Team(2);
  let now = stallUntilRest(team, 0) + 100;
  for (const end = now + 500; now < end; now++) team.report(0, now, now);
  const stalled = stallUntilRest(team, now);
  expect(team.next(stalled + 99)).toBe(1);
  expect(team.next(stalled + 100)).toBe(2);
});

it("rests for several times as long as a play that stalled", () => {
  const team = new Team(2);
  team.report(9, 1000, 1400);
  expect(team.next(3399)).toBe(1);
  expect(team.next(3400)).toBe(2);
});
