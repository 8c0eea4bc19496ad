import assert from "node:assert/strict";
import { test } from "node:test";
import { address, type Area, letters, without } from "../src/area.ts";
import { readSelection } from "../src/sheet.ts";
import { openWorkbook, type SheetData } from "./excel.ts";

const area = (row: number, column: number, rows: number, columns: number): Area => ({
  row,
  column,
  rows,
  columns,
});

/** A sheet of numbers, or of one text in all cells. */
function filled(rows: number, columns: number, text?: string): SheetData {
  const values = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => text ?? row * columns + column),
  );
  return { name: "P&L", values, formulas: values };
}

test("columns and addresses are named as in Excel", () => {
  assert.deepEqual([0, 25, 26, 701, 702, 16_383].map(letters), [
    "A",
    "Z",
    "AA",
    "ZZ",
    "AAA",
    "XFD",
  ]);
  assert.equal(address(area(1, 1, 1, 1)), "B2");
  assert.equal(address(area(1, 1, 8, 3)), "B2:D9");
});

test("an area without its first corner is the rest of it", () => {
  for (const [other, left] of [
    [area(1, 1, 2, 2), [area(1, 3, 2, 1), area(3, 1, 2, 3)]],
    [area(0, 0, 9, 9), []],
    [area(0, 0, 2, 9), [area(2, 1, 3, 3)]],
    [area(1, 0, 9, 2), [area(1, 2, 4, 2)]],
  ] as [Area, Area[]][]) {
    assert.deepEqual(without(area(1, 1, 4, 3), other), left);
  }
});

test("parts tile the selection, as far as it is used", async () => {
  const { written } = openWorkbook({
    sheets: [filled(301, 40)],
    selected: area(1, 0, 1_048_575, 3),
    most: 700,
  });
  const { selection, parts } = await readSelection();
  assert.equal(selection.address, "A2:C301");
  assert.deepEqual(
    parts.map((part) => part.address),
    ["A2:C151", "A152:C301"],
  );
  assert.deepEqual(
    parts.flatMap((part) => part.values),
    filled(301, 40)
      .values.slice(1)
      .map((row) => row.slice(0, 3)),
  );
  assert.equal(parts[0]?.number_formats, "General");
  assert.equal(parts[0]?.value_types, "Double");
  assert.equal(parts[0]?.text, undefined);
  assert.deepEqual(written, []);
});

test("a part has at most one mebibyte, and a selection fits into a hundred parts", async () => {
  openWorkbook({ sheets: [filled(40, 2, "é".repeat(16_000))], selected: area(0, 0, 40, 2) });
  const long = await readSelection();
  const sizes = long.parts.map((part) => Buffer.byteLength(JSON.stringify(part)));
  assert.ok(sizes.length > 2 && sizes.every((size) => size <= 1024 * 1024), String(sizes));
  openWorkbook({ sheets: [filled(25_000, 20)], selected: area(0, 0, 25_000, 20) });
  const many = await readSelection();
  assert.ok(many.parts.length <= 100);
  assert.equal(
    many.parts.reduce((sum, part) => sum + part.values.length * 20, 0),
    500_000,
  );
  openWorkbook({ sheets: [filled(25_001, 20)], selected: area(0, 0, 25_001, 20) });
  await assert.rejects(readSelection(), /at most 500,000/);
});

test("what Excel never gives and what is not there are errors", async () => {
  openWorkbook({ sheets: [filled(2, 2)], selected: area(0, 0, 2, 2), most: 0 });
  await assert.rejects(readSelection(), /does not give the cell A1/);
  openWorkbook({ sheets: [filled(2, 2)], selected: area(5, 5, 2, 2) });
  await assert.rejects(readSelection(), /selection is empty/);
});

test("hidden, merged, spilled and summarised cells are named", async () => {
  const types = [["RichValue", "Double"]];
  openWorkbook({
    sheets: [
      {
        ...filled(9, 8),
        types,
        hiddenRows: [2, 3, 7],
        hiddenColumns: [4, 6, 7],
        merged: [area(0, 0, 1, 2)],
        // Two that touch, and one whose formula is outside the selection.
        spills: [area(1, 1, 4, 1), area(1, 2, 3, 2), area(0, 5, 6, 1)],
        pivots: [{ area: area(5, 0, 2, 2), filter: area(4, 0, 1, 2) }, { area: area(7, 0, 1, 1) }],
      },
    ],
    selected: area(0, 0, 9, 8),
    is1904: true,
  });
  const { selection, parts } = await readSelection();
  assert.deepEqual(joined(selection.hidden_rows), [3, 4, 8]);
  assert.deepEqual(selection.hidden_columns.sort(), ["E:E", "G:H"]);
  assert.deepEqual(selection.merged, ["A1:B1"]);
  assert.deepEqual(selection.spills.sort(), ["B2:B5", "C2:D4", "F1:F6"]);
  assert.deepEqual(selection.pivots, [
    { address: "A6:B7" },
    { address: "A5:B5" },
    { address: "A8" },
  ]);
  assert.equal(selection.date_system, 1904);
  assert.equal(parts[0]?.text?.[0]?.[0], "text of 0");
  openWorkbook({
    sheets: [{ ...filled(9, 8), spills: [area(0, 5, 6, 1)] }],
    selected: area(2, 4, 3, 2),
  });
  assert.deepEqual((await readSelection()).selection.spills, ["F1:F6"]);
});

/** The rows of spans such as `3:4`. */
function joined(spans: string[]): number[] {
  const rows = spans.flatMap((span) => {
    const [first, last] = span.split(":").map(Number) as [number, number];
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
  return rows.sort((a, b) => a - b);
}
