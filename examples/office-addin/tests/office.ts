/** Office with a window that opens nothing. The test says what comes out of it. */

import { OfficeMockObject } from "office-addin-mock";

export interface Windows {
  /** The URLs that were opened. */
  opened: string[];
  closed: number;
  /** `messageParent` of the page in the newest window. */
  send(message: string): void;
  /** What Office tells of the newest window with this number. */
  lose(error: number): void;
}

type Handler = (event: object) => void;

/** Puts the mock where Office.js is. `refuses` is the number with which it opens no window. */
export function openOffice({ refuses }: { refuses?: number } = {}): Windows {
  let handlers: Record<string, Handler> = {};
  const windows: Windows = {
    opened: [],
    closed: 0,
    send: (message) => handlers["dialogMessageReceived"]!({ message }),
    lose: (error) => handlers["dialogEventReceived"]!({ error }),
  };
  const context = new OfficeMockObject({
    ui: {
      displayDialogAsync(url: string, _: object, done: (result: object) => void) {
        if (refuses) return done({ status: "failed", error: { message: `Error ${refuses}` } });
        windows.opened.push(url);
        handlers = {};
        const addEventHandler = (kind: string, handler: Handler) => (handlers[kind] = handler);
        const close = () => windows.closed++;
        done({ status: "succeeded", value: { addEventHandler, close } });
      },
    },
  });
  const EventType = {
    DialogMessageReceived: "dialogMessageReceived",
    DialogEventReceived: "dialogEventReceived",
  };
  const AsyncResultStatus = { Succeeded: "succeeded", Failed: "failed" };
  Object.assign(globalThis, { Office: { context, EventType, AsyncResultStatus } });
  return windows;
}
