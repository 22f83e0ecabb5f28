"use strict";
const said = document.getElementById("said");

/* A page from a file may not be allowed to use the clipboard's newer way. */
function copyOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function copy(button) {
  const text = button.dataset.copy;
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    done = copyOldWay(text);
    button.focus();
  }
  button.classList.add(done ? "copied" : "not-copied");
  said.textContent = done ? "Copied" : "Could not copy; select the text instead";
  setTimeout(() => { button.classList.remove("copied", "not-copied"); said.textContent = ""; }, 1400);
}

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView({ block: "start" });
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  if (event.target.closest('a[href^="#"]')) setTimeout(openTarget);
});
addEventListener("hashchange", openTarget);
openTarget();

const all = document.querySelector(".all");
const steps = [...document.querySelectorAll("details.step")];
all.hidden = false;
all.addEventListener("click", () => {
  const open = all.textContent === all.dataset.open;
  for (const step of steps) step.open = open;
  all.textContent = open ? all.dataset.close : all.dataset.open;
});

for (const graph of document.querySelectorAll("svg.graph")) {
  const light = (node, on) => {
    graph.classList.toggle("pointed", on);
    for (const edge of graph.querySelectorAll(".edge")) {
      edge.classList.toggle("lit", on && edge.dataset.ends.split(" ").includes(node.dataset.node));
    }
  };
  for (const node of graph.querySelectorAll(".node")) {
    for (const [kind, on] of [["pointerenter", true], ["pointerleave", false], ["focus", true], ["blur", false]]) {
      node.addEventListener(kind, () => light(node, on));
    }
  }
}

for (const plot of document.querySelectorAll(".plot")) {
  const points = JSON.parse(plot.dataset.points);
  const here = plot.querySelector(".here"), tip = plot.querySelector(".tip");
  let at = points.length - 1;
  const show = (index) => {
    at = Math.max(0, Math.min(points.length - 1, index));
    const [x, y, text] = points[at];
    here.style.left = `${x}%`;
    here.style.top = `${y}%`;
    tip.textContent = text;
    tip.style.left = `${Math.max(12, Math.min(88, x))}%`;
    here.hidden = tip.hidden = false;
  };
  const hide = () => { here.hidden = tip.hidden = true; };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const x = 100 * (event.clientX - box.left) / box.width;
    let best = 0;
    points.forEach((point, index) => { if (Math.abs(point[0] - x) < Math.abs(points[best][0] - x)) best = index; });
    show(best);
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("focus", () => { if (plot.matches(":focus-visible")) show(at); });
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move) { show(at + move); event.preventDefault(); }
  });
}
