import { Cron } from "croner";
import type { Calendar, TimeCondition } from "./evaluate.ts";
import type { HoursCondition, ScheduleCondition, SunCondition } from "./rule.ts";
import { sunElevation } from "./sun.ts";

export interface Place {
  /** IANA name; absent: the system's zone. */
  readonly timeZone?: string | undefined;
  readonly latitude?: number | undefined;
  readonly longitude?: number | undefined;
}

const MINUTE_MS = 60_000;
const MINUTES_PER_DAY = 1_440;

/**
 * Local time, cron expressions and the sun. When the clocks change, hours are read off the clock on the wall: a time that
 * is left out does not come, one that comes twice counts twice. A schedule in the hour that is left out comes as much
 * later as the clocks were put forward; one in the hour that comes twice comes once.
 */
export function createCalendar(place: Place): Calendar {
  const zone = zoneOf(place.timeZone);
  const asked = new Map<TimeCondition, (wallMs: number) => Answer>();

  function asking(condition: TimeCondition): (wallMs: number) => Answer {
    switch (condition.kind) {
      case "hours":
        return (wallMs) => untilNextMinute(inHours(condition, localTime(zone, wallMs)), wallMs);
      case "schedule":
        return openSchedule(condition, place.timeZone);
      case "sun":
        return (wallMs) => untilNextMinute(sunHolds(condition, place, wallMs), wallMs);
    }
  }

  return {
    holds(condition, wallMs) {
      const known = asked.get(condition) ?? remembered(asking(condition));
      asked.set(condition, known);
      return known(wallMs);
    },
  };
}

interface Answer {
  readonly truth: boolean;
  readonly untilMs: number;
}

/** Local clocks differ by whole minutes: what they say changes with the minute. */
function untilNextMinute(truth: boolean, wallMs: number): Answer {
  return { truth, untilMs: (Math.floor(wallMs / MINUTE_MS) + 1) * MINUTE_MS };
}

interface LocalTime {
  /** 0 is Sunday. */
  readonly day: number;
  /** Since midnight. */
  readonly minute: number;
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

function localTime(zone: Intl.DateTimeFormat, wallMs: number): LocalTime {
  const parts = new Map(zone.formatToParts(wallMs).map(({ type, value }) => [type, value]));
  return {
    day: DAYS.indexOf(parts.get("weekday")!),
    minute: Number(parts.get("hour")) * 60 + Number(parts.get("minute")),
  };
}

/** A stretch over midnight belongs to the day on which it began. */
export function inHours({ from, until, days }: HoursCondition, { day, minute }: LocalTime): boolean {
  const on = (day: number) => days === undefined || days.includes((day + 7) % 7);
  if (from < until) return on(day) && minute >= from && minute < until;
  const sinceFrom = (minute - from + MINUTES_PER_DAY) % MINUTES_PER_DAY;
  const length = until - from + MINUTES_PER_DAY;
  return sinceFrom < length && on(minute >= from ? day : day - 1);
}

/**
 * Throws where the expression is none. What croner takes for the next instant after a change of the clocks depends on
 * where it begins to look; so around one it is asked from before it, instant by instant.
 */
export function openSchedule({ cron, lastsMs }: ScheduleCondition, timeZone: string | undefined) {
  const job = new Cron(cron, {
    paused: true,
    mode: "5-part",
    ...(timeZone !== undefined && { timezone: timeZone }),
  });
  const zone = zoneOf(timeZone);

  function firstAfter(wallMs: number): number {
    const beforeMs = wallMs - CLOCK_CHANGE_MS;
    let atMs = offsetMinutes(zone, beforeMs) === offsetMinutes(zone, wallMs) ? wallMs : beforeMs;
    do atMs = job.nextRun(new Date(atMs))?.getTime() ?? Number.POSITIVE_INFINITY;
    while (atMs <= wallMs);
    return atMs;
  }

  return (wallMs: number): Answer => {
    const first = firstAfter(wallMs - lastsMs);
    return first <= wallMs ? { truth: true, untilMs: first + lastsMs } : { truth: false, untilMs: first };
  };
}

/** Longer than any change of the clocks. */
const CLOCK_CHANGE_MS = 3 * 3_600_000;

function zoneOf(timeZone: string | undefined): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat("en-US", {
    ...(timeZone !== undefined && { timeZone }),
    hourCycle: "h23",
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** How far local time is ahead of UTC, within a week. */
function offsetMinutes(zone: Intl.DateTimeFormat, wallMs: number): number {
  const { day, minute } = localTime(zone, wallMs);
  const utc = Math.floor(wallMs / MINUTE_MS) + EPOCH_WEEKDAY * MINUTES_PER_DAY;
  const week = 7 * MINUTES_PER_DAY;
  return (((day * MINUTES_PER_DAY + minute - utc) % week) + week) % week;
}

/** 1 January 1970 was a Thursday. */
const EPOCH_WEEKDAY = 4;

/** Working the answer out is work, and it is asked for at each reading. */
function remembered(ask: (wallMs: number) => Answer): (wallMs: number) => Answer {
  let fromMs = Number.POSITIVE_INFINITY;
  let answer: Answer = { truth: false, untilMs: Number.NEGATIVE_INFINITY };
  return (wallMs) => {
    if (wallMs >= fromMs && wallMs < answer.untilMs) return answer;
    fromMs = wallMs;
    answer = ask(wallMs);
    return answer;
  };
}

function sunHolds({ up, elevation }: SunCondition, { latitude = 0, longitude = 0 }: Place, wallMs: number) {
  const isUp = sunElevation(wallMs, latitude, longitude) > elevation;
  return isUp === up;
}
