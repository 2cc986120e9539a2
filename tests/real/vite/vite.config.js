import { defineConfig } from "vite";

export default defineConfig({
  base: "/static/",
  build: {
    manifest: true,
    assetsInlineLimit: 0,
    rollupOptions: { input: ["src/shop.js", "src/basket.js"] },
  },
});
