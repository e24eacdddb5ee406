/** A span of time as people say it: two units at most. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(whole / 3_600);
  if (hours < 48) return `${hours} h`;
  const days = Math.floor(hours / 24);
  return days < 10 && hours % 24 > 0 ? `${days} d ${hours % 24} h` : `${days} d`;
}
