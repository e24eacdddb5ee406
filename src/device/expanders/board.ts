import type { Board } from "../board.ts";
import type { Clock } from "../clock.ts";
import {
  type InputRequest,
  type LineId,
  type OutputLine,
  type OutputRequest,
  outputsOneByOne,
  type Pin,
} from "../gpio.ts";
import type { Expander, OpenExpander } from "./open.ts";
import { expanderPin } from "./settings.ts";

export type OpenExpanderOn = (
  board: Board,
  name: string,
  expander: Expander,
  clock: Clock,
) => OpenExpander | Promise<OpenExpander>;

/** A board whose pins and PWM channels include those of expanders, each of which is opened when it is first used. */
export function withExpanders(
  board: Board,
  expanders: Readonly<Record<string, Expander>>,
  clock: Clock,
  openOn: OpenExpanderOn,
): Board {
  if (Object.keys(expanders).length === 0) return board;
  const open = new Map<string, Promise<OpenExpander>>();

  async function find(name: string | undefined): Promise<OpenExpander | undefined> {
    const expander = name === undefined ? undefined : expanders[name];
    if (name === undefined || !expander) return undefined;
    const known = open.get(name) ?? Promise.resolve(openOn(board, name, expander, clock));
    open.set(name, known);
    return known;
  }

  const expanderOf = async (pin: Pin) => (await find(expanderPin(pin)?.name))?.gpio;
  async function output(request: OutputRequest): Promise<OutputLine> {
    const lines = await expanderOf(request.pin);
    return lines ? lines.output(request as OutputRequest<LineId>) : board.gpio.output(request);
  }
  return {
    ...board,
    gpio: {
      async input(request) {
        const lines = await expanderOf(request.pin);
        return lines ? lines.input(request as InputRequest<LineId>) : board.gpio.input(request);
      },
      output,
      async outputs(requests) {
        const expanders = await Promise.all(requests.map(({ pin }) => expanderOf(pin)));
        return expanders.some((lines) => lines !== undefined)
          ? outputsOneByOne(requests, output)
          : board.gpio.outputs(requests);
      },
    },
    pwm: {
      output: async (request) => ((await find(request.chip))?.pwm ?? board.pwm).output(request),
    },
  };
}
