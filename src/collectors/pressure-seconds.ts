/** Seconds of a pressure total in microseconds. */
export function pressureSeconds(microseconds: number | undefined): number | undefined {
  return microseconds === undefined ? undefined : microseconds / 1e6;
}
