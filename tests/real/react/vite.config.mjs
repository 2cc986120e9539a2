import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/static/",
  build: { manifest: true },
  plugins: [react()],
});
