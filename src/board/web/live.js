// The connection to the board: it comes back by itself.

// How long nothing may be heard. The board says something every 5 s.
const SILENCE = 15000;
// What has arrived while the page was busy, or asleep, is heard within this.
const GRACE = 1000;
// How long to wait between two tries.
const RETRY = 2000;

// Calls `onView` with each view, and `onState` with "live", "lost", "denied", or "over" if the board
// has closed after the end.
export function follow(onView, onState) {
  let source = null;
  let silence = null;
  let retry = null;
  let over = false;

  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => (silence = setTimeout(lost, GRACE)), SILENCE);
  };

  const close = () => {
    source?.close();
    source = null;
    clearTimeout(silence);
    clearTimeout(retry);
  };

  const open = () => {
    close();
    source = new EventSource("events");
    heard();
    source.addEventListener("beat", heard);
    source.addEventListener("view", (event) => {
      heard();
      const view = JSON.parse(event.data);
      over = (view.team ?? view).phase === "over";
      onState("live");
      onView(view);
    });
    source.addEventListener("error", lost);
  };

  const lost = async () => {
    close();
    if (over) return onState("over");
    retry = setTimeout(open, RETRY);
    // An EventSource does not say whether there is no server, or one that lets nobody in.
    const status = await fetch("./", { method: "HEAD" }).then((response) => response.status, () => 0);
    if (!source || source.readyState !== EventSource.OPEN) onState(status === 403 ? "denied" : "lost");
  };

  // What the browser knows before a timer does.
  addEventListener("online", () => over || open());
  addEventListener("offline", () => over || lost());
  open();
}
