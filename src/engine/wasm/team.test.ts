import { expect, it } from "vitest";
import { Team } from "./team.ts";

it("plays with all threads where nobody waits in vain", () => {
  const team = new Team(4);
  for (let now = 0; now < 100; now++) {
    expect(team.next(now)).toBe(4);
    team.report(0, now);
  }
});

it("plays alone for a while after a stall, longer with every stall that follows, up to 2 s", () => {
  const team = new Team(2);
  let now = 0;
  const pauses = [];
  for (let trial = 0; trial < 8; trial++) {
    expect(team.next(now)).toBe(2);
    team.report(3, now);
    const stalled = now;
    while (team.next(now) === 1) now++;
    pauses.push(now - stalled);
  }
  expect(pauses).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000]);
});

it("forgets stalls once plays have gone well for as long as the next pause would be", () => {
  const team = new Team(2);
  team.report(1, 0);
  for (let now = 50; now <= 151; now++) team.report(0, now);
  team.report(1, 200);
  expect(team.next(249)).toBe(1);
  expect(team.next(250)).toBe(2);
});
