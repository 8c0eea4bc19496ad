import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { validateManifest } from "office-addin-manifest";

const file = new URL("../manifest.json", import.meta.url);

/** The faults that Microsoft's validator finds in the manifest after a change. */
async function faults(change: (manifest: any) => void): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), "manifest-"));
  const path = join(directory, "manifest.json");
  try {
    const manifest = JSON.parse(await readFile(file, "utf8"));
    change(manifest);
    await writeFile(path, JSON.stringify(manifest));
    const { isValid, report } = await validateManifest(path);
    const errors = (report?.errors ?? []).map((error) => String(error.content));
    assert.equal(isValid, errors.length === 0);
    return errors;
  } finally {
    await rm(directory, { recursive: true });
  }
}

test("Microsoft's validator takes the manifest, and not one with a fault", async () => {
  assert.deepEqual(await faults(() => {}), []);
  const name = await faults((manifest) => (manifest.name.short = "x".repeat(31)));
  assert.match(name.join(), /\/name\/short/);
  const page = await faults(
    ({ extensions }) => (extensions[0].runtimes[0].code.page = "http://localhost:3000/"),
  );
  assert.match(page.join(), /\/code\/page/);
});

test("the icons have the sizes that the manifest says", async () => {
  const sizes = {
    "color.png": 192,
    "outline.png": 32,
    "icon-16.png": 16,
    "icon-32.png": 32,
    "icon-80.png": 80,
  };
  for (const [name, size] of Object.entries(sizes)) {
    const image = await readFile(new URL(`../assets/${name}`, import.meta.url));
    assert.deepEqual([image.readUInt32BE(16), image.readUInt32BE(20)], [size, size], name);
  }
});

test("the pane may talk to the API that it names, and to no other", async () => {
  const html = await readFile(new URL("../src/taskpane.html", import.meta.url), "utf8");
  const api = /name="tally-api" content="([^"]+)"/.exec(html)![1]!;
  const policy = /connect-src ([^;]+);/.exec(html)![1]!;
  assert.deepEqual(policy.split(" "), [api, api.replace("http", "ws")]);
  // The window sends its user to the same API.
  const auth = await readFile(new URL("../src/auth.html", import.meta.url), "utf8");
  assert.ok(auth.includes(`name="tally-api" content="${api}"`));
});
