import { defineConfig } from "vitest/config";
import { viteTemplates } from "./templates.mjs";

export default defineConfig({
  plugins: [viteTemplates],
  // A machine that does much else besides is slow, not wrong.
  test: { testTimeout: 60_000 },
  resolve: { alias: { nunjucks: "nunjucks/browser/nunjucks-slim.js" } },
});
