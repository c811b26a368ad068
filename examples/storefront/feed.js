// What happens, while it happens: server-sent events. The browser's own EventSource cannot say
// who asks, so the stream is read here.

import { Pauses, wait } from './pauses.js';
import { Refused } from './session.js';

const TYPES = 'stock.*,item.*,order.*';
/** The daemon says something every 15 seconds: whoever is silent for longer is gone. */
const SILENT_MS = 40_000;

/**
 * Listens until it is given up. Yields
 *   { is: 'begun' }         from here on: what was before must be read
 *   { is: 'live' }          it goes on where it was cut off, and nothing was lost
 *   { is: 'event', event }
 *   { is: 'away', why }     it was cut off, and comes back by itself
 * and throws where coming back would not help.
 */
export async function* feed(session, signal) {
  const pauses = new Pauses();
  let last = null; // the position: all that must be known to go on
  while (!signal.aborted) {
    const gone = new AbortController();
    let silent;
    const heard = () => {
      clearTimeout(silent);
      silent = setTimeout(() => gone.abort(), SILENT_MS);
    };
    let why = 'the connection ended';
    let retryMs = 0;
    try {
      heard();
      const headers = last === null ? {} : { 'Last-Event-ID': last };
      const both = AbortSignal.any([signal, gone.signal]);
      const response = await session.open(`/v1/events?types=${TYPES}`, { headers }, both);
      pauses.reset();
      if (last !== null) yield { is: 'live' };
      for await (const { id, event, data, retry } of messages(response.body)) {
        heard();
        if (retry) retryMs = Number(retry);
        if (event === 'end') {
          const { reason } = JSON.parse(data);
          why = `the daemon ended it (${reason})`;
          if (reason === 'key') {
            // The token ended: with another it goes on at once.
            session.forget();
            retryMs = 0;
          }
          break;
        }
        const isFirst = last === null;
        last = id ?? last;
        if (isFirst) yield { is: 'begun' };
        if (data) yield { is: 'event', event: JSON.parse(data) };
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused) {
        if (error.code === 'cursor_ahead') {
          // It is another journal, or one that was put back from a backup.
          last = null;
        } else if (!error.isPassing) {
          throw error;
        }
        retryMs = error.retryMs;
      }
      why = error.message;
    } finally {
      clearTimeout(silent);
      gone.abort();
    }
    yield { is: 'away', why };
    await wait(pauses.next(retryMs), signal);
  }
}

/** The messages of a stream, as far as this server uses the format: lines end with \n. */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) yield message(block);
  }
}

/** The fields of a message; a line that begins with a colon says nothing. */
function message(block) {
  const fields = block.split('\n').map((line) => {
    const colon = line.indexOf(': ');
    return [line.slice(0, colon), line.slice(colon + 2)];
  });
  return Object.fromEntries(fields);
}
