// What a tab remembers: JSON in the browser's stores, which may be full, forbidden or hold what an older page wrote.

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
    // It is forgotten with the tab, then.
  }
}

/** Until the tab is closed. */
export const thisTab = () => sessionStorage;
/** Until the browser's data are cleared, for all tabs. */
export const thisBrowser = () => localStorage;
