/** The pane's data layer against a stack, whose URL is in TALLY_URL. Without it, no test runs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Api, type Question } from "../src/api.ts";
import { readSelection } from "../src/sheet.ts";
import { uploadSelection } from "../src/upload.ts";
import { openWorkbook, type SheetData } from "./excel.ts";

const url = process.env["TALLY_URL"] ?? "";
const skip = url === "" && "TALLY_URL is not set";
const whole = { row: 0, column: 0, rows: 5, columns: 5 };

/** The salaries, and the cells that lead back to them. */
const SECRET = ["Salary", "54321", "65432", "76543", "54421", "65632", "76843"];

function payroll(): SheetData {
  return {
    name: "Payroll",
    values: [
      ["Name", "Salary", "Bonus", "Total", "Team"],
      ["Ann", 54_321, 100, 54_421, "Red"],
      ["Bob", 65_432, 200, 65_632, "Blue"],
      ["Cyd", 76_543, 300, 76_843, "Red"],
      ["Dan", 0, 400, 400, "Blue"],
    ],
    formulas: [
      ["Name", "Salary", "Bonus", "Total", "Team"],
      ["Ann", 54_321, 100, "=B2+C2", "Red"],
      ["Bob", 65_432, 200, "=B3+C3", "Blue"],
      ["Cyd", 76_543, 300, "=B4+C4", "Red"],
      ["Dan", 0, 400, "=B5+C5", "Blue"],
    ],
    hiddenRows: [4],
  };
}

async function signedIn(): Promise<Api> {
  const api = new Api(url);
  await api.login("demo", "SecureDemo123!");
  return api;
}

test(
  "a denied column is withheld from the preview, and the cells end as they began",
  { skip },
  async () => {
    const api = await signedIn();
    const [sheet, before] = [payroll(), payroll()];
    const workbook = { sheets: [sheet], selected: whole, most: 20 };
    const { written } = openWorkbook(workbook);
    const parts: string[] = [];
    const range = await uploadSelection(api, (done, all) => parts.push(`${done}/${all}`));
    assert.deepEqual(parts, ["1/2", "2/2"]);
    assert.equal(range.address, "A1:E5");

    const open = await api.preview(range.id, "Who earns most?", false);
    assert.deepEqual(
      open.columns.map(({ header }) => header),
      ["Name", "Salary", "Bonus", "Total", "Team"],
    );
    assert.deepEqual(open.would_send, { rows: 3, cells: 15, withheld: 0, hidden: 5 });
    for (const secret of SECRET) assert.ok(open.excerpt.includes(secret), secret);
    assert.ok(!open.excerpt.includes("Dan"), "a hidden row is sent only if you ask for it");
    assert.ok((await api.preview(range.id, "Who earns most?", true)).excerpt.includes("Dan"));

    const deny = {
      effect: "deny",
      actions: ["read"],
      subject: { type: "everyone" },
      column: { header: "*salary*" },
    };
    await api.call("POST", "/access/changes", {
      add: [{ ...deny, workbook_id: range.workbook_id }],
    });
    const closed = await api.preview(range.id, "Who earns most?", true);
    assert.deepEqual(closed.columns[1], { letter: "B", access: "withheld" });
    // The total leads to the salary.
    assert.deepEqual(closed.would_send, { rows: 4, cells: 12, withheld: 8, hidden: 0 });
    for (const secret of SECRET) assert.ok(!JSON.stringify(closed).includes(secret), secret);
    assert.ok(closed.excerpt.includes("Bonus") && closed.excerpt.includes("Blue"));

    assert.deepEqual(written, []);
    assert.deepEqual([sheet.values, sheet.formulas], [before.values, before.formulas]);
    const again = await readSelection();
    assert.deepEqual(
      again.parts.flatMap((part) => part.formulas),
      before.formulas,
    );
  },
);

test(
  "the file keeps its workbook and its sheets, and a copied sheet is a new one",
  { skip },
  async () => {
    const api = await signedIn();
    const settings = new Map<string, string>();
    const sheet = { ...payroll(), properties: new Map<string, string>() };
    openWorkbook({ sheets: [sheet], selected: whole, settings });
    const first = await uploadSelection(api);
    openWorkbook({ sheets: [{ ...sheet, name: "Renamed" }], selected: whole, settings });
    const renamed = await uploadSelection(api);
    assert.notEqual(renamed.id, first.id);
    assert.deepEqual([renamed.workbook_id, renamed.sheet_id], [first.workbook_id, first.sheet_id]);
    const copy = { ...sheet, name: "Payroll (2)", properties: new Map(sheet.properties) };
    openWorkbook({ sheets: [copy, sheet], selected: whole, settings });
    const copied = await uploadSelection(api);
    assert.equal(copied.workbook_id, first.workbook_id);
    assert.notEqual(copied.sheet_id, first.sheet_id);
    assert.deepEqual([...copy.properties.values()], [copied.sheet_id]);
  },
);

test(
  "the assistant answers about the range, over the WebSocket and by POST",
  { skip },
  async () => {
    const api = await signedIn();
    openWorkbook({ sheets: [payroll()], selected: whole });
    const range = await uploadSelection(api);
    const question: Question = {
      message: "Who earns most?",
      context: { ranges: [{ range_id: range.id }] },
    };
    const heard: string[] = [];
    const streamed = await api.ask(question, (text) => heard.push(text));
    assert.ok(heard.length > 1, "the answer grows");
    assert.equal(heard.at(-1), streamed.text);

    // Too long for a frame: 9,000 characters of four bytes each.
    const long = {
      ...question,
      message: "😀".repeat(9_000),
      conversation_id: streamed.conversation_id,
    };
    const posted = await api.ask(long, () => {});
    assert.equal(posted.conversation_id, streamed.conversation_id);
    assert.ok(posted.text.length > 0);

    const path = `/conversations/${streamed.conversation_id}/messages/${streamed.message_id}`;
    assert.equal((await api.call<{ text: string }>("GET", path)).text, streamed.text);
    await api.logout();
    await assert.rejects(api.preview(range.id, "?", false));
  },
);
