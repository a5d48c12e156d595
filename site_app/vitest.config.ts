import { defineConfig } from "vitest/config";
import { viteTemplates } from "./templates.mjs";

export default defineConfig({
  plugins: [viteTemplates],
  resolve: { alias: { nunjucks: "nunjucks/browser/nunjucks-slim.js" } },
});
