// Builds the task pane into dist/. With --serve, serves it on https://localhost:3000, with the
// certificate that `npx office-addin-dev-certs install` has made.
import { homedir } from "node:os";
import { join } from "node:path";
import { build, context } from "esbuild";

const options = {
  entryPoints: ["src/taskpane.*", "src/auth.*", "assets/icon-*.png"],
  entryNames: "[name]",
  loader: { ".html": "copy", ".png": "copy" },
  outdir: "dist",
  bundle: true,
  format: "esm",
  target: "es2022",
};

if (process.argv.includes("--serve")) {
  const certificate = (file) => join(homedir(), ".office-addin-dev-certs", file);
  const pane = await context(options);
  await pane.serve({
    servedir: "dist",
    host: "localhost",
    port: 3000,
    certfile: certificate("localhost.crt"),
    keyfile: certificate("localhost.key"),
  });
  console.log("The task pane is on https://localhost:3000/taskpane.html. Ctrl-C ends it.");
} else {
  await build(options);
}
