import { useRef, useState } from 'preact/hooks';
import { type Failure, failure } from '../api/errors.ts';

/**
 * A call to the API that a click starts. Only one call runs at a time, and none after a call that
 * the API has accepted. A double click therefore makes one call.
 */
export function useCall() {
  const [stage, setStage] = useState<'idle' | 'calling' | 'taken'>('idle');
  const [trouble, setTrouble] = useState<Failure | null>(null);
  // A ref, because component state changes too late to stop the second click of a double click.
  const isUnderWay = useRef(false);

  /** Makes the call. Returns whether the API has accepted it. */
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
  /** Permits another call. */
  const reset = () => {
    isUnderWay.current = false;
    setStage('idle');
    setTrouble(null);
  };
  return { stage, trouble, call, reset };
}
