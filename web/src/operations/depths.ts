// Texts about queues and workflow tasks. This module uses no DOM.

import type { Overview } from '../api/model.ts';
import type { Tone } from '../order/status.ts';

export interface Line {
  name: string;
  title: string;
  counts: string;
  /** A problem that somebody should look at. */
  warning: { text: string; tone: Tone } | null;
}

export interface Say {
  queues: Record<string, string>;
  tasks: string;
  waits: (n: number) => string;
  inFlight: (n: number) => string;
  oldest: (seconds: number) => string;
  dead: (n: number) => string;
  unknown: string;
  unpolled: string;
}

export function linesOf({ queues, workflows }: Overview, say: Say): Line[] {
  const unknown: Line['warning'] = { text: say.unknown, tone: 'attention' };
  const ofQueues = queues.map(({ name, waiting, inFlight, dead }): Line => {
    const counts = [waiting !== null && say.waits(waiting), inFlight !== null && inFlight > 0 && say.inFlight(inFlight)];
    const warning: Line['warning'] = dead ? { text: say.dead(dead), tone: 'bad' } : waiting === null || dead === null ? unknown : null;
    return { name, title: say.queues[name] ?? name, counts: counts.filter(Boolean).join(', '), warning };
  });
  const tasks: Line = { name: 'tasks', title: say.tasks, counts: '', warning: unknown };
  if (workflows) {
    const { backlog, oldestSeconds, polled } = workflows;
    tasks.counts = [say.waits(backlog), backlog > 0 && say.oldest(oldestSeconds)].filter(Boolean).join(', ');
    tasks.warning = polled ? null : { text: say.unpolled, tone: 'bad' };
  }
  return [...ofQueues, tasks];
}
