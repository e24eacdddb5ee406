const RADIANS = Math.PI / 180;
const DAY_MS = 86_400_000;
/** 2000-01-01T12:00Z, the epoch J2000.0 (to the minute that UTC differs from terrestrial time by). */
const J2000_MS = Date.UTC(2000, 0, 1, 12);

/**
 * The apparent height of the sun's centre above the horizon, degrees; refraction lifts it by half a degree there.
 * Right to a few hundredths of a degree between 1950 and 2050.
 *
 * Source: The Astronomical Almanac, section C, "low precision formulas for the Sun"; sidereal time from section B;
 * refraction by Sæmundsson, Sky and Telescope 72 (1986), page 70.
 */
export function sunElevation(wallMs: number, latitude: number, longitude: number): number {
  const days = (wallMs - J2000_MS) / DAY_MS;
  const meanLongitude = 280.46 + 0.9856474 * days;
  const meanAnomaly = (357.528 + 0.9856003 * days) * RADIANS;
  const eclipticLongitude =
    (meanLongitude + 1.915 * Math.sin(meanAnomaly) + 0.02 * Math.sin(2 * meanAnomaly)) * RADIANS;
  const obliquity = (23.439 - 0.0000004 * days) * RADIANS;
  const rightAscension = Math.atan2(
    Math.cos(obliquity) * Math.sin(eclipticLongitude),
    Math.cos(eclipticLongitude),
  );
  const declination = Math.asin(Math.sin(obliquity) * Math.sin(eclipticLongitude));
  const siderealDegrees = 15 * (18.697374558 + 24.06570982441908 * days);
  const hourAngle = (siderealDegrees + longitude) * RADIANS - rightAscension;
  const north = latitude * RADIANS;
  const height = Math.asin(
    Math.sin(north) * Math.sin(declination) + Math.cos(north) * Math.cos(declination) * Math.cos(hourAngle),
  );
  return refracted(height / RADIANS);
}

/** Below the horizon nobody sees it: what refraction would be there fades out. */
function refracted(height: number): number {
  if (height < -2) return height;
  return height + 1.02 / Math.tan((height + 10.3 / (height + 5.11)) * RADIANS) / 60;
}
