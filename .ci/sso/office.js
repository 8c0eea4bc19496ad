// Office.js for the sample's pane in a browser. Its window is a window of the browser. Its bridge for nested app authentication leads to
// the function `excelTokens` of the check. The check sets `isLost` for an Office that has lost its window.

const handlers = {};
let opened;

addEventListener("message", ({ source, data }) => {
  if (source === opened && !window.isLost) handlers.message?.({ message: data.message, origin: data.origin });
});

function displayDialogAsync(url, _, done) {
  opened = window.open(url, "_blank", "popup,width=520,height=480");
  if (!opened) return done({ status: "failed", error: { code: 12009, message: "The browser opens no window." } });
  const value = {
    addEventHandler: (kind, handler) => (handlers[kind] = handler),
    close: () => opened.close(),
  };
  done({ status: "succeeded", value });
  if (window.isLost) handlers.event({ error: 12006 });
}

window.Office = {
  EventType: { DialogMessageReceived: "message", DialogEventReceived: "event" },
  AsyncResultStatus: { Succeeded: "succeeded", Failed: "failed" },
  onReady: (begin) => addEventListener("load", () => begin({ host: "Excel", platform: "OfficeOnline" })),
  context: {
    requirements: { isSetSupported: (name) => name !== "NestedAppAuth" || "excelTokens" in window },
    ui: {
      displayDialogAsync,
      messageParent: (message) => window.opener?.postMessage({ message, origin: location.origin }, location.origin),
    },
  },
};

if ("excelTokens" in window) {
  const listeners = new Set();
  window.nestedAppAuthBridge = {
    addEventListener: (_, listener) => listeners.add(listener),
    removeEventListener: (_, listener) => listeners.delete(listener),
    postMessage: async (text) => {
      const { method, requestId, tokenParams } = JSON.parse(text);
      const reply = (answer) => {
        const message = JSON.stringify({ messageType: "NestedAppAuthResponse", requestId, success: true, ...answer });
        listeners.forEach((listener) => listener(message));
      };
      if (method === "GetInitContext") return reply({ initContext: { sdkName: "check", sdkVersion: "1" } });
      const tokens = await window.excelTokens(method, tokenParams);
      if (!tokens) return reply({ success: false, error: { status: "USER_INTERACTION_REQUIRED" } });
      const account = { environment: "login.microsoftonline.com", username: "ann" };
      reply({ token: { ...tokens, expires_in: 3600, scope: tokenParams.scope }, account });
    },
  };
}
