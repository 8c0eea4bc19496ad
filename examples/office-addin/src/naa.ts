/** Tokens by nested app authentication: Excel asks Microsoft for them, as the user who uses it. */

import { createNestablePublicClientApplication } from "@azure/msal-browser";
import { Problem, type SsoSettings } from "./api.ts";
import type { Tokens } from "./sso.ts";

/** Nothing where this Excel cannot do it. */
export async function excelTokens(settings: SsoSettings): Promise<Tokens | undefined> {
  const { kind, authority, client_id, scope } = settings;
  if (kind !== "entra" || !authority || !client_id || !scope) return undefined;
  if (!Office.context.requirements.isSetSupported("NestedAppAuth", "1.1")) return undefined;
  const client = await createNestablePublicClientApplication({
    auth: { clientId: client_id, authority },
    cache: { cacheLocation: "memoryStorage" },
  });
  // Without the bridge to Excel, MSAL would open windows of its own, which get lost in Office.
  if (!("nestedAppAuthBridge" in window)) return undefined;
  const request = (claims?: string) => ({
    scopes: [scope],
    ...(claims === undefined ? {} : { claims }),
  });
  return {
    silent: async (claims) => (await client.acquireTokenSilent(request(claims))).accessToken,
    popup: async (claims) => {
      try {
        return (await client.acquireTokenPopup(request(claims))).accessToken;
      } catch (error) {
        const code = (error as { errorCode?: string }).errorCode;
        if (code !== "user_canceled") throw error;
        throw new Problem({ detail: "You have closed the window before you were signed in." });
      }
    },
  };
}
