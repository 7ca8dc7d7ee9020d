import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Players spin at barriers: more test processes than cores would only wait for each other.
    maxWorkers: 2,
    pool: "forks",
  },
});
