// Values in the browser's storage, as JSON. The storage may be full or forbidden, or contain values
// of an older version of the page.

export function recall<Value>(store: () => Storage, key: string): Value | null {
  try {
    return JSON.parse(store().getItem(key) ?? 'null') as Value | null;
  } catch {
    return null;
  }
}

export function remember(store: () => Storage, key: string, value: unknown): void {
  try {
    if (value === null) store().removeItem(key);
    else store().setItem(key, JSON.stringify(value));
  } catch {
    // The value is then lost when the tab is closed.
  }
}

/** Storage until the tab is closed. */
export const thisTab = () => sessionStorage;
/** Storage for all tabs, until the browser's data are cleared. */
export const thisBrowser = () => localStorage;
