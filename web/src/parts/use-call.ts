import { useRef, useState } from 'preact/hooks';
import { type Failure, failure } from '../api/errors.ts';

/** Something that is asked of the API at a click: one call at a time, and none after one that was taken on, so that a double click is one call. */
export function useCall() {
  const [stage, setStage] = useState<'idle' | 'calling' | 'taken'>('idle');
  const [trouble, setTrouble] = useState<Failure | null>(null);
  // The state of a component comes too late to stop the second click of two.
  const isUnderWay = useRef(false);

  /** Whether the API has taken it on. */
  const call = async (ask: () => Promise<void>): Promise<boolean> => {
    if (isUnderWay.current) return false;
    isUnderWay.current = true;
    setStage('calling');
    setTrouble(null);
    try {
      await ask();
      setStage('taken');
      return true;
    } catch (error) {
      isUnderWay.current = false;
      setStage('idle');
      setTrouble(failure(error));
      return false;
    }
  };
  /** It may be asked again. */
  const reset = () => {
    isUnderWay.current = false;
    setStage('idle');
    setTrouble(null);
  };
  return { stage, trouble, call, reset };
}
