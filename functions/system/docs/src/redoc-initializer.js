// Relative to the page, like everything it loads.
Redoc.init("openapi.json", { hideDownloadButtons: true, nativeScrollbars: true, hideFab: true }, document.getElementById("redoc"));
