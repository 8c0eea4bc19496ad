// Holds docs/api/asyncapi.json against AsyncAPI's own parser, and generates TypeScript from it into generated/asyncapi.
import fs from "node:fs";
import zlib from "node:zlib";

import { TypeScriptGenerator } from "@asyncapi/modelina";
import { Parser } from "@asyncapi/parser";

const root = "../..";
const generated = "generated/asyncapi";
const text = fs.readFileSync(`${root}/docs/api/asyncapi.json`, "utf8");
const { document, diagnostics } = await new Parser().parse(text);
// That there is a newer version than 3.0.0 is all that the parser may have to say.
const faults = diagnostics.filter(({ code }) => code !== "asyncapi-latest-version");
for (const { code, message, path } of faults) console.error(`${path.join("/")}: ${message} (${code})`);
if (!document || faults.length > 0) process.exit(1);

const generator = new TypeScriptGenerator({ modelType: "interface", enumType: "union", mapType: "record", rawPropertyNames: true });
const models = await generator.generateCompleteModels(document, { exportType: "named", moduleSystem: "ESM" });
const unnamed = models.filter(({ modelName }) => /anonymous/i.test(modelName));
if (unnamed.length > 0) {
  console.error(`without a name: ${unnamed.map(({ result }) => result).join("\n")}`);
  process.exit(1);
}
fs.rmSync(generated, { recursive: true, force: true });
fs.mkdirSync(generated, { recursive: true });
for (const { modelName, result } of models) fs.writeFileSync(`${generated}/${modelName}.ts`, `${result}\n`);

// modelina makes types of messages alone, so the unions come straight from the document.
const { schemas } = JSON.parse(text).components;
for (const union of ["ClientMessage", "ServerMessage"]) {
  const members = schemas[union].oneOf.map(({ $ref }) => $ref.split("/").pop());
  const imports = members.map((member) => `import type { ${member} } from "./${member}";\n`).join("");
  fs.writeFileSync(`${generated}/${union}.ts`, `${imports}\nexport type ${union} = ${members.join(" | ")};\n`);
}

// The page /redoc serves the bundle as its authors publish it.
const vendored = zlib.gunzipSync(fs.readFileSync(`${root}/functions/system/docs/vendor/redoc.standalone.js.gz`));
if (!vendored.equals(fs.readFileSync("node_modules/redoc/bundles/redoc.standalone.js"))) {
  console.error("functions/system/docs/vendor/redoc.standalone.js.gz is not the bundle of the npm package redoc");
  process.exit(1);
}
