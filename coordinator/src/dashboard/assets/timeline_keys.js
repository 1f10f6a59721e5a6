// The timeline by hand: keys, pointer, wheel. What they do is the timeline's.

/** What the keys do, for the page to say. */
export const KEYS = "↑ ↓ choose a call, Enter its details, ← → pan, + − zoom, 0 all of it, Home and End first and last";

/** Listens on the timeline's element. */
export function listen(timeline) {
  const { element, scroller } = timeline;
  const keys = {
    ArrowDown: () => timeline.move(1),
    ArrowUp: () => timeline.move(-1),
    PageDown: () => timeline.move(15),
    PageUp: () => timeline.move(-15),
    Home: () => timeline.move(-Infinity),
    End: () => timeline.move(Infinity),
    ArrowLeft: () => timeline.pan(-0.15),
    ArrowRight: () => timeline.pan(0.15),
    "+": () => timeline.zoom(0.6),
    "=": () => timeline.zoom(0.6),
    "-": () => timeline.zoom(1 / 0.6),
    0: () => timeline.fit(),
    Enter: () => timeline.enter(),
    Escape: () => timeline.choose(undefined),
  };
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  scroller.addEventListener("scroll", () => timeline.wake(), { passive: true });
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) timeline.zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, event.offsetX);
    else timeline.pan(event.deltaX / 600);
  }, { passive: false });
  let drag;
  scroller.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.target === timeline.canvas) drag = { x: event.clientX, moved: false };
  });
  scroller.addEventListener("pointermove", (event) => {
    if (drag && event.buttons) {
      const by = event.clientX - drag.x;
      if (!drag.moved && Math.abs(by) < 5) return;
      drag.moved = true;
      drag.x = event.clientX;
      timeline.pan(-by / Math.max(1, timeline.width - timeline.left));
      return;
    }
    if (event.pointerType !== "touch") timeline.point(event);
  });
  addEventListener("pointerup", (event) => {
    const clicked = drag && !drag.moved && event.target === timeline.canvas;
    drag = undefined;
    if (clicked) timeline.click(event);
  }, { signal: timeline.over.signal });
  scroller.addEventListener("pointerleave", () => timeline.point(undefined));
}
