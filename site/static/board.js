"use strict";
// The board's table: search, filters, sorting, choice of columns, downloads; the state lives in the query string.
// Plain script on purpose: the table libraries tried know one tbody, and leave the reference rows' columns standing
// when a column is hidden. Without it the table stands whole in its ranked order.
(function () {
  var table = document.querySelector("table.board");
  var form = document.querySelector("form.controls");
  if (!table || !form || !table.tBodies[0].querySelector("th[scope=row]")) return;
  var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
  var keys = heads.map(function (head) { return head.dataset.key; });
  var first = table.tBodies[0];
  var ranked = Array.prototype.slice.call(first.rows);
  var bodies = Array.prototype.slice.call(table.tBodies);
  var boxes = Array.prototype.slice.call(form.querySelectorAll("[name=columns]"));
  var usual = boxes.filter(function (box) { return box.checked; }).map(function (box) { return box.value; });
  var filters = ["evidence", "overlap", "family"];
  var order = { key: "", down: false };
  // What stands on the page already is not done again: the first look at a long board costs nothing.
  var sorted = { key: "", down: false };
  var chosen = usual.join();

  function rowsOf(body) {
    return Array.prototype.filter.call(body.rows, function (row) { return !row.classList.contains("rowhead"); });
  }

  function raw(cell) {
    return cell.dataset.v !== undefined ? cell.dataset.v : cell.textContent.trim().replace(/\s+/g, " ");
  }

  function value(row, key) {
    var cell = row.cells[keys.indexOf(key)];
    var text = cell.dataset.order !== undefined ? cell.dataset.order : raw(cell);
    if (text === "–" || text === "") return null;
    var number = Number(text);
    return isNaN(number) ? text.toLowerCase() : number;
  }

  function sort() {
    if (order.key === sorted.key && order.down === sorted.down) return;
    sorted = { key: order.key, down: order.down };
    var rows = ranked.slice();
    if (order.key) {
      rows.sort(function (a, b) {
        var x = value(a, order.key), y = value(b, order.key);
        if (x === null || y === null) return (x === null) - (y === null);
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
        return (x < y ? -1 : x > y ? 1 : 0) * (order.down ? -1 : 1);
      });
    }
    rows.forEach(function (row) { first.appendChild(row); });
    heads.forEach(function (head) {
      if (head.dataset.key === order.key) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  function filter() {
    var words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    var count = 0;
    ranked.forEach(function (row) {
      var text = words.length ? row.textContent.toLowerCase() : "";
      var fits = words.every(function (word) { return text.indexOf(word) >= 0; }) &&
        filters.every(function (key) {
          return !form[key].value || raw(row.cells[keys.indexOf(key)]) === form[key].value;
        });
      row.hidden = !fits;
      count += fits;
    });
    form.querySelector(".shown").textContent = count + " of " + ranked.length + " entries shown";
  }

  function choose() {
    var wanted = boxes.filter(function (box) { return box.checked; }).map(function (box) { return box.value; }).join();
    if (wanted === chosen) return;
    chosen = wanted;
    boxes.forEach(function (box) {
      var column = keys.indexOf(box.value);
      heads[column].classList.toggle("off", !box.checked);
      bodies.forEach(function (body) {
        rowsOf(body).forEach(function (row) {
          if (row.cells[column]) row.cells[column].classList.toggle("off", !box.checked);
        });
      });
    });
  }

  function remember() {
    var state = new URLSearchParams();
    if (form.q.value) state.set("q", form.q.value);
    filters.forEach(function (key) { if (form[key].value) state.set(key, form[key].value); });
    if (order.key) state.set("sort", (order.down ? "-" : "") + order.key);
    if (chosen !== usual.join()) state.set("columns", chosen);
    var query = state.toString();
    history.replaceState(null, "", location.pathname + (query ? "?" + query : "") + location.hash);
  }

  function restore() {
    var state = new URLSearchParams(location.search);
    form.q.value = state.get("q") || "";
    filters.forEach(function (key) {
      var wanted = state.get(key) || "";
      form[key].value = Array.prototype.some.call(form[key].options, function (o) { return o.value === wanted; }) ? wanted : "";
    });
    var wanted = state.get("sort") || "";
    order = { key: wanted.replace(/^-/, ""), down: wanted.charAt(0) === "-" };
    if (keys.indexOf(order.key) < 0 || order.key === "interval") order = { key: "", down: false };
    var named = state.has("columns") ? state.get("columns").split(",") : usual;
    boxes.forEach(function (box) { box.checked = named.indexOf(box.value) >= 0; });
  }

  function draw() {
    choose();
    filter();
    sort();
    remember();
  }

  // What is shown, as rows of text and numbers: visible columns and rows, in their order, references included.
  function shown() {
    var visible = keys.map(function (key, i) { return i; }).filter(function (i) {
      return !heads[i].classList.contains("off");
    });
    var found = [];
    bodies.forEach(function (body) {
      rowsOf(body).forEach(function (row) {
        if (row.hidden || !row.cells[1]) return;
        var record = {};
        visible.forEach(function (i) {
          var cell = row.cells[i];
          if (keys[i] === "interval") {
            record.low = cell.dataset.low === undefined ? null : Number(cell.dataset.low);
            record.high = cell.dataset.high === undefined ? null : Number(cell.dataset.high);
            return;
          }
          var text = raw(cell), number = Number(text);
          record[keys[i]] = text === "–" ? null : keys[i] !== "entry" && keys[i] !== "rank" && !isNaN(number) ? number : text;
        });
        found.push(record);
      });
    });
    return found;
  }

  function csv(rows) {
    function field(v) {
      if (v === null) return "";
      var text = String(v);
      if (typeof v === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text;
      return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
    }
    var names = rows.length ? Object.keys(rows[0]) : [];
    return [names].concat(rows.map(function (row) {
      return names.map(function (name) { return row[name]; });
    })).map(function (line) { return line.map(field).join(","); }).join("\n") + "\n";
  }

  function save(kind) {
    var rows = shown();
    var text = kind === "csv" ? csv(rows) : JSON.stringify(rows, null, 1) + "\n";
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind === "csv" ? "text/csv" : "application/json" }));
    link.download = table.dataset.name + "-shown." + kind;
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
  }

  heads.forEach(function (head) {
    if (head.dataset.key === "interval" || ranked.length < 2) return;
    var button = document.createElement("button");
    button.type = "button";
    while (head.firstChild) button.appendChild(head.firstChild);
    head.appendChild(button);
    button.addEventListener("click", function () {
      order = { key: head.dataset.key, down: order.key === head.dataset.key && !order.down };
      draw();
    });
  });
  form.addEventListener("input", draw);
  // The same board on another edition opens with the same filters and columns.
  Array.prototype.forEach.call(document.querySelectorAll("a[data-go]"), function (link) {
    var address = link.getAttribute("href");
    link.addEventListener("click", function () { link.href = address + location.search; });
  });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function (event) {
    event.preventDefault();
    history.replaceState(null, "", location.pathname);
    restore();
    draw();
  });
  Array.prototype.forEach.call(form.querySelectorAll("[data-save]"), function (button) {
    button.addEventListener("click", function () { save(button.dataset.save); });
  });
  // The list of columns closes as a menu does: with Escape, which gives the focus back, and by a click elsewhere.
  var pick = form.querySelector(".pick");
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && pick.open) {
      pick.open = false;
      pick.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", function (event) {
    if (!pick.contains(event.target)) pick.open = false;
  });
  restore();
  draw();
})();
