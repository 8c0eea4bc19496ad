/** A workbook of mocks. As in Excel, a property is there only after `load` and `sync`. */

import { OfficeMockObject } from "office-addin-mock";
import { type Area, areaOf, contains } from "../src/area.ts";

export interface SheetData {
  name: string;
  formulas: unknown[][];
  values: unknown[][];
  formats?: string[][];
  types?: string[][];
  hiddenRows?: number[];
  hiddenColumns?: number[];
  merged?: Area[];
  spills?: Area[];
  pivots?: { area: Area; filter?: Area }[];
  properties?: Map<string, string>;
}

export interface WorkbookData {
  sheets: SheetData[];
  selected: Area;
  /** Cells that Excel answers at once. */
  most?: number;
  is1904?: boolean;
  settings?: Map<string, string>;
}

type Mock = any;

/** Puts the workbook where Office.js has it. The answer lists what is written to ranges. */
export function openWorkbook(data: WorkbookData): { written: string[] } {
  const made: Mock[] = [];
  const written: string[] = [];

  /** An object of Excel. The mock takes no null, so those are set afterwards. */
  function mock(properties: Record<string, unknown>, isNullObject = false): Mock {
    const given = Object.entries(properties);
    const object: Mock = new OfficeMockObject(
      Object.fromEntries(given.filter(([, value]) => value !== null)) as object,
    );
    for (const [name, value] of given) if (value === null) object.setValue(name, value);
    // Known after the call, without a load.
    object.isNullObject = isNullObject;
    made.push(object);
    return object;
  }

  /** Excel has no mock for collections. It loads a property of each item. */
  function collection(items: Mock[]): Mock {
    const load = (names: string): Mock => {
      items.forEach((item) => item.load(names.replaceAll("items/", "")));
      return { items, load };
    };
    return { items, load };
  }

  /** True or false where all are so, else null. */
  function same(all: boolean[]): boolean | null {
    return all.every((one) => one === all[0]) ? (all[0] ?? false) : null;
  }

  const numbers = (first: number, count: number) =>
    Array.from({ length: count }, (_, index) => first + index);

  function range(sheet: SheetData, area: Area): Mock {
    const { row, column, rows, columns } = area;
    const spillOf = (atRow: number, atColumn: number) =>
      sheet.spills?.find((spill) => contains(spill, atRow, atColumn));
    const isTooLarge = rows * columns > (data.most ?? 20_000);
    const matrix = (of: (row: number, column: number) => unknown) =>
      isTooLarge
        ? null
        : numbers(row, rows).map((atRow) => numbers(column, columns).map((at) => of(atRow, at)));
    const at = (spill: Area | undefined) =>
      spill ? range(sheet, spill) : mock({ ...spot(area) }, true);
    const isAnchor = (spill: Area | undefined) => spill?.row === row && spill.column === column;
    const object = mock({
      ...spot(area),
      values: matrix((atRow, at) => sheet.values[atRow]?.[at]),
      formulas: matrix((atRow, at) => sheet.formulas[atRow]?.[at]),
      numberFormat: matrix((atRow, at) => sheet.formats?.[atRow]?.[at] ?? "General"),
      valueTypes: matrix(
        (atRow, at) => sheet.types?.[atRow]?.[at] ?? typeOf(sheet.values[atRow]?.[at]),
      ),
      text: matrix((atRow, at) => `text of ${String(sheet.values[atRow]?.[at])}`),
      rowHidden: same(numbers(row, rows).map((at) => sheet.hiddenRows?.includes(at) ?? false)),
      columnHidden: same(
        numbers(column, columns).map((at) => sheet.hiddenColumns?.includes(at) ?? false),
      ),
      hasSpill: sheet.spills
        ? same(
            numbers(row, rows).flatMap((atRow) =>
              numbers(column, columns).map((at) => !!spillOf(atRow, at)),
            ),
          )
        : false,
      getIntersectionOrNullObject: (other: Mock) => {
        const bounds = areaOf(other.area as Excel.Range);
        const shared = overlap(area, bounds);
        return shared ? range(sheet, shared) : mock({ ...spot(area) }, true);
      },
      getMergedAreasOrNullObject: () => {
        const merged = mock({}, !sheet.merged);
        merged.areas = collection((sheet.merged ?? []).map((one) => range(sheet, one)));
        return merged;
      },
      getSpillingToRangeOrNullObject: () =>
        at(isAnchor(spillOf(row, column)) ? spillOf(row, column) : undefined),
      getSpillParentOrNullObject: () => {
        const spill = spillOf(row, column);
        return at(spill && !isAnchor(spill) ? { ...spill, rows: 1, columns: 1 } : undefined);
      },
      getSpillingToRange: () => range(sheet, spillOf(row, column)!),
    });
    object.area = spot(area);
    return guarded(object, written);
  }

  function keyed(map: Map<string, string>): Mock {
    return {
      add: (key: string, value: string) => void map.set(key, value),
      getItemOrNullObject: (key: string) => mock({ value: map.get(key) ?? "" }, !map.has(key)),
    };
  }

  const sheets = data.sheets.map((sheet) => {
    const object = mock({ name: sheet.name });
    const [rows, columns] = [sheet.values.length, sheet.values[0]?.length ?? 0];
    object.getUsedRange = () => range(sheet, { row: 0, column: 0, rows, columns });
    object.getRangeByIndexes = (row: number, column: number, rows: number, columns: number) =>
      range(sheet, { row, column, rows, columns });
    object.customProperties = keyed((sheet.properties ??= new Map()));
    const pivots = (sheet.pivots ?? []).map(({ area, filter }, index) => {
      const table = mock({ name: `Pivot${index}` });
      table.filterHierarchies = { getCount: () => ({ value: filter ? 1 : 0 }) };
      table.layout = {
        getRange: () => range(sheet, area),
        getFilterAxisRange: () => range(sheet, filter!),
      };
      return table;
    });
    object.pivotTables = collection(pivots);
    return object;
  });

  const workbook = mock({ name: "Payroll.xlsx" });
  workbook.application = mock({ decimalSeparator: ".", thousandsSeparator: "," });
  workbook.functions = { date: () => mock({ value: data.is1904 ? 0 : 1462 }) };
  workbook.settings = keyed((data.settings ??= new Map()));
  workbook.worksheets = { ...collection(sheets), getActiveWorksheet: () => sheets[0] };
  workbook.getSelectedRange = () => range(data.sheets[0]!, data.selected);
  const sync = async () => {
    for (const object of made.splice(0)) await object.sync();
  };
  const context = { workbook, sync };
  (globalThis as Mock).Excel = { run: (action: (context: Mock) => unknown) => action(context) };
  return { written };
}

const spot = ({ row, column, rows, columns }: Area) => ({
  rowIndex: row,
  columnIndex: column,
  rowCount: rows,
  columnCount: columns,
});

function overlap(one: Area, other: Area): Area | undefined {
  const [row, column] = [Math.max(one.row, other.row), Math.max(one.column, other.column)];
  const rows = Math.min(one.row + one.rows, other.row + other.rows) - row;
  const columns = Math.min(one.column + one.columns, other.column + other.columns) - column;
  return rows > 0 && columns > 0 ? { row, column, rows, columns } : undefined;
}

function typeOf(value: unknown): string {
  if (value === "") return "Empty";
  return { number: "Double", boolean: "Boolean" }[typeof value as string] ?? "String";
}

/** The object, whose methods run on itself. It notes every other writer. */
function guarded(object: Mock, written: string[]): Mock {
  const proxy: Mock = new Proxy(object, {
    get(target, name) {
      const member = target[name];
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        const answer = member.apply(target, given);
        return answer === target ? proxy : answer;
      };
    },
    set(target, name, value) {
      written.push(String(name));
      target[name] = value;
      return true;
    },
  });
  return proxy;
}
