/**
 * The facts that the API needs besides cells. It sends no hidden cell to a model. A cell that a spill
 * or a pivot table fills has no formula, and may come from a column that is denied.
 */

import {
  type Area,
  address,
  areaOf,
  contains,
  halves,
  letters,
  rangeOf,
  SPOT,
  without,
} from "./area.ts";

/** A property that Excel answers with null where it differs within the range. */
type Mixed = "rowHidden" | "columnHidden" | "hasSpill";

export async function hiddenRows(
  context: Excel.RequestContext,
  sheet: Excel.Worksheet,
  area: Area,
): Promise<string[]> {
  const hidden = await areasWith("rowHidden", context, sheet, { ...area, columns: 1 });
  return hidden.map(({ row, rows }) => `${row + 1}:${row + rows}`);
}

export async function hiddenColumns(
  context: Excel.RequestContext,
  sheet: Excel.Worksheet,
  area: Area,
): Promise<string[]> {
  const hidden = await areasWith("columnHidden", context, sheet, { ...area, rows: 1 });
  return hidden.map(({ column, columns }) => `${letters(column)}:${letters(column + columns - 1)}`);
}

export async function mergedCells(
  context: Excel.RequestContext,
  sheet: Excel.Worksheet,
  area: Area,
): Promise<string[]> {
  const merged = rangeOf(sheet, area).getMergedAreasOrNullObject();
  merged.areas.load("items/rowIndex,items/columnIndex,items/rowCount,items/columnCount");
  await context.sync();
  return merged.isNullObject ? [] : merged.areas.items.map((range) => address(areaOf(range)));
}

/** The areas that formulas have spilled into, each from the cell of its formula on. */
export async function spilledCells(
  context: Excel.RequestContext,
  sheet: Excel.Worksheet,
  area: Area,
): Promise<string[]> {
  const found: Area[] = [];
  const open = await areasWith("hasSpill", context, sheet, area);
  for (let next = open.pop(); next; next = open.pop()) {
    const { row, column } = next;
    let spill = found.find((known) => contains(known, row, column));
    if (!spill) found.push((spill = await spillAt(context, sheet, row, column)));
    open.push(...without(next, spill));
  }
  return found.map(address);
}

/** The spill of a cell. If Excel does not tell, the cell alone: the API takes it as unresolved. */
async function spillAt(
  context: Excel.RequestContext,
  sheet: Excel.Worksheet,
  row: number,
  column: number,
): Promise<Area> {
  const cell = rangeOf(sheet, { row, column, rows: 1, columns: 1 });
  const own = cell.getSpillingToRangeOrNullObject().load(SPOT);
  const parent = cell.getSpillParentOrNullObject().load(SPOT);
  await context.sync();
  if (!own.isNullObject) return areaOf(own);
  if (parent.isNullObject) return { row, column, rows: 1, columns: 1 };
  const whole = parent.getSpillingToRange().load(SPOT);
  await context.sync();
  return areaOf(whole);
}

/** Pivot tables and their filters, without sources: the API takes their cells as unresolved. */
export async function pivotTables(
  context: Excel.RequestContext,
  sheet: Excel.Worksheet,
): Promise<{ address: string }[]> {
  const tables = sheet.pivotTables.load("items/name");
  await context.sync();
  const filters = tables.items.map((table) => table.filterHierarchies.getCount());
  await context.sync();
  const ranges = tables.items.flatMap(({ layout }, index) => [
    layout.getRange().load(SPOT),
    ...(filters[index]!.value > 0 ? [layout.getFilterAxisRange().load(SPOT)] : []),
  ]);
  await context.sync();
  return ranges.map((range) => ({ address: address(areaOf(range)) }));
}

/** The areas with a property. One where it differs is halved until Excel knows. */
async function areasWith(
  property: Mixed,
  context: Excel.RequestContext,
  sheet: Excel.Worksheet,
  area: Area,
): Promise<Area[]> {
  const found: Area[] = [];
  let open = [area];
  while (open.length > 0) {
    const asked = open.map((part) => ({ part, range: rangeOf(sheet, part).load(property) }));
    await context.sync();
    const has = (answer: boolean | null) =>
      asked.filter(({ range }) => range[property] === answer).map(({ part }) => part);
    found.push(...has(true));
    open = has(null).flatMap(halves);
  }
  return found;
}
