import { useEffect } from 'preact/hooks';

/** Runs a task repeatedly while the tab is visible. */
export function useRepeatedly(task: () => unknown, everyMs: number): void {
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) task();
    }, everyMs);
    return () => clearInterval(timer);
  }, []);
}
