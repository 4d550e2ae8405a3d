import { useEffect } from 'preact/hooks';

/** Does something again and again, while the tab is looked at. */
export function useRepeatedly(task: () => unknown, everyMs: number): void {
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) task();
    }, everyMs);
    return () => clearInterval(timer);
  }, []);
}
