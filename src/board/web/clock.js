// The clock: it goes on by itself between two views.

import { byId, setText } from "./dom.js";

// How far the page's clock may be from the drill's before it is set anew, in milliseconds. A view is
// always a little late; without this the clock would stutter.
const TOLERANCE = 1500;

const HOUR = 3600 * 1000;

const pad = (value) => String(value).padStart(2, "0");

// Milliseconds as 4:05 or 1:04:05.
export function clockText(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}

// How long something is still to come: 0:01 until it is there.
export const leftText = (milliseconds) => clockText(Math.ceil(milliseconds / 1000) * 1000);

export class Clock {
  // When it began, by the page's own time; null if it does not run.
  #began = null;
  #stopped = null;
  #limit = 0;

  // `milliseconds` is null as long as nobody is to know.
  set(milliseconds, limit, running) {
    this.#limit = limit;
    this.#stopped = milliseconds;
    if (!running || milliseconds === null) {
      this.#began = null;
    } else {
      const began = performance.now() - milliseconds;
      const near = this.#began !== null && Math.abs(began - this.#began) < TOLERANCE;
      this.#began = near ? Math.min(began, this.#began) : began;
    }
    this.show();
  }

  get running() {
    return this.#began !== null;
  }

  show() {
    const now = this.running ? performance.now() - this.#began : this.#stopped;
    setText(byId("clock"), now === null ? "–:––" : clockText(now));
    byId("clock").classList.toggle("hours", now >= HOUR);
    const left = this.#limit - (now ?? 0);
    const over = left < 0;
    let text = "";
    if (this.#limit && over) text = `${clockText(-left)} over the limit of ${clockText(this.#limit)}`;
    else if (this.#limit) text = `${leftText(left)} left of ${clockText(this.#limit)}`;
    setText(byId("left"), text);
    byId("left").classList.toggle("over", over);
    const bar = byId("limit-bar");
    bar.style.width = `${this.#limit ? Math.min(100, (100 * (now ?? 0)) / this.#limit) : 0}%`;
    bar.classList.toggle("over", over || left < this.#limit / 10);
  }
}
