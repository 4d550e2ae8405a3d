import { useEffect, useState } from 'preact/hooks';
import { failure } from '../api/errors.ts';
import { useRepeatedly } from './use-repeatedly.ts';

const EVERY_MS = 10_000;

/** Polls the API. Returns the last response, and whether the last call failed. */
export function usePolled<Answer>(ask: () => Promise<Answer>, everyMs = EVERY_MS): { answer: Answer | null; isAway: boolean } {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [isAway, setAway] = useState(false);
  const poll = async () => {
    try {
      setAnswer(await ask());
      setAway(false);
    } catch (error) {
      failure(error);
      setAway(true);
    }
  };
  useEffect(() => void poll(), []);
  useRepeatedly(poll, everyMs);
  return { answer, isAway };
}
