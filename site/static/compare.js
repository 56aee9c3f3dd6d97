"use strict";
// Puts any two entries of the board side by side; which two stands in the query string. All text is set as text.
(function () {
  var form = document.querySelector(".pair-choice");
  var store = document.getElementById("pairs");
  if (!form || !store) return;
  var data = JSON.parse(store.textContent);
  var n = data.entries.length;
  var most = 24;
  var index = {};
  data.entries.forEach(function (entry, i) { index[entry.slug] = i; });
  var said = document.querySelector("[data-galaxies] dt:nth-of-type(3)");
  var volunteers = said ? said.textContent : "Volunteers";

  function at(values, i, j) {
    return values[Math.min(i, j) * n - Math.min(i, j) * (Math.min(i, j) + 1) / 2 + Math.abs(i - j) - 1];
  }

  function number(v, digits) {
    return v === null || v === undefined ? "–" : v.toFixed(digits);
  }

  function signed(v, digits) {
    if (v === null || v === undefined) return "–";
    var text = Math.abs(v).toFixed(digits);
    return Number(text) === 0 ? text : (v < 0 ? "−" : "+") + text;
  }

  function make(tag, text, name) {
    var element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  }

  function letter(which) {
    return make("span", which, which === "A" ? "one" : "two-mark");
  }

  function mark(right) {
    var element = make("span", undefined, right ? "yes" : "no"), sign = make("span", right ? "✓" : "✗");
    sign.setAttribute("aria-hidden", "true");
    element.appendChild(sign);
    element.appendChild(make("span", right ? "agrees with the truth" : "disagrees with the truth", "vh"));
    return element;
  }

  // The one sentence that a reader came for; the page says it in the same words without a script.
  function verdict(a, b, metric, gap, low, high) {
    var line = document.querySelector("[data-verdict]"), apart = low > 0 || high < 0;
    function letters(e) { return data.entries[e].letters.match(/[a-zA-Z]\d*/g) || []; }
    var ranked = letters(a).length > 0 && letters(b).length > 0, better = (gap > 0) === metric.higher ? "A" : "B";
    var tied = letters(a).some(function (one) { return letters(b).indexOf(one) >= 0; }), headline = "No significant difference";
    if (low !== null) {
      if (tied) headline = "Statistically tied";
      else if (ranked) headline = better + " is significantly better";
      else if (apart) headline = better + " is better on these galaxies";
    }
    line.textContent = "";
    line.append(make("strong", headline), " in " + metric.title);
    if (low === null) {
      line.append(": the interval of A\u00a0−\u00a0B is not defined.");
      return;
    }
    line.append(": A\u00a0−\u00a0B is " + signed(gap, metric.digits) + ", 95 % interval " + signed(low, metric.digits) + " to " +
      signed(high, metric.digits) + ".");
    if (tied && apart) {
      line.append(" The interval does not include 0, but it covers the sample of test galaxies alone. The board also counts the seed standard deviation and the number of pairs.");
    } else if (ranked && !tied && !apart) {
      line.append(" The interval includes 0, but the board assumes normally distributed draws and finds the difference significant.");
    }
  }

  function metrics(a, b) {
    var rows = document.querySelector("[data-metrics] tbody").rows;
    data.metrics.forEach(function (metric, k) {
      var x = metric.values[a], y = metric.values[b], cells = rows[k].cells;
      var low = a === b ? 0 : at(metric.low, a, b), high = a === b ? 0 : at(metric.high, a, b);
      if (a > b) {
        var turned = low;
        low = high === null ? null : -high;
        high = turned === null ? null : -turned;
      }
      var gap = x === null || y === null ? null : x - y;
      if (metric.ranked) verdict(a, b, metric, gap, low, high);
      cells[1].textContent = number(x, metric.digits);
      cells[2].textContent = number(y, metric.digits);
      cells[3].textContent = signed(gap, metric.digits);
      cells[4].textContent = signed(low, metric.digits) + " to " + signed(high, metric.digits);
      cells[5].textContent = "";
      if (low !== null && (low > 0 || high < 0) && metric.higher !== null) {
        cells[5].appendChild(letter((gap > 0) === metric.higher ? "A" : "B"));
      } else cells[5].textContent = "–";
    });
  }

  function byRow(a, b) {
    var rows = document.querySelector("[data-rows] tbody").rows;
    data.rows.forEach(function (row, k) {
      var x = row.values[a], y = row.values[b];
      rows[k].cells[1].textContent = number(x, 3);
      rows[k].cells[2].textContent = number(y, 3);
      rows[k].cells[3].textContent = signed(x === null || y === null ? null : x - y, 3);
    });
  }

  function galaxies(a, b) {
    var list = document.querySelector("[data-galaxies]");
    if (!list) return;
    var parted = data.pool.map(function (galaxy, k) { return k; }).filter(function (k) {
      return data.answers[a][k] !== data.answers[b][k];
    });
    // First where one alone is right: two labels that nobody was asked for may differ too.
    function alike(k) {
      return data.right.length && data.right[a].charAt(k) === data.right[b].charAt(k) ? 1 : 0;
    }
    parted.sort(function (k, l) {
      return alike(k) - alike(l) || data.sure[a][l] + data.sure[b][l] - data.sure[a][k] - data.sure[b][k] || k - l;
    });
    function right(e) {
      return parted.filter(function (k) { return data.right[e].charAt(k) === "1"; }).length;
    }
    document.querySelector("[data-count]").textContent = "They disagree on " + parted.length + " of " + data.pool.length +
      " test galaxies (a fixed sample, chosen by the hash of the names)" +
      (data.right.length ? ": A is correct on " + right(a) + ", B on " + right(b) : "") +
      (parted.length > most ? ". The first " + most + " are shown." : ".");
    list.textContent = "";
    parted.slice(0, most).forEach(function (k) {
      var galaxy = data.pool[k], item = make("li"), box = make("div"), says = make("dl", undefined, "says");
      if (galaxy.image) {
        var image = make("img");
        image.loading = "lazy";
        image.width = image.height = 224;
        image.alt = galaxy.alt;
        image.src = galaxy.image;
        item.appendChild(image);
      } else item.className = "bare";
      box.appendChild(make("p", galaxy.name, "name"));
      [["A", a], ["B", b]].forEach(function (side) {
        says.appendChild(make("dt", side[0], side[0] === "A" ? "one" : "two-mark"));
        var said = make("dd", data.words[data.answers[side[1]][k]] + " (" + data.sure[side[1]][k] + "\u00a0%)\u00a0");
        var judged = data.right.length ? data.right[side[1]].charAt(k) : "-";
        if (judged !== "-") said.appendChild(mark(judged === "1"));
        says.appendChild(said);
      });
      if (galaxy.said) {
        says.appendChild(make("dt", volunteers));
        says.appendChild(make("dd", galaxy.said));
      }
      box.appendChild(says);
      item.appendChild(box);
      list.appendChild(item);
    });
  }

  function draw() {
    var a = index[form.a.value], b = index[form.b.value];
    [["a", a], ["b", b]].forEach(function (side) {
      var link = document.querySelector("[data-" + side[0] + "]");
      link.textContent = data.entries[side[1]].title;
      link.setAttribute("href", "../entries/" + data.entries[side[1]].slug + ".html");
      document.querySelector("[data-rank-" + side[0] + "]").textContent = data.entries[side[1]].rank;
    });
    var agreement = document.querySelector("[data-agreement]");
    if (agreement) agreement.textContent = (a === b ? 100 : 100 * at(data.agreement, a, b)).toFixed(0) + " %";
    metrics(a, b);
    byRow(a, b);
    galaxies(a, b);
    history.replaceState(null, "", location.pathname + "?" +
      new URLSearchParams({ a: form.a.value, b: form.b.value }).toString() + location.hash);
  }

  var state = new URLSearchParams(location.search);
  ["a", "b"].forEach(function (name) {
    if (Object.prototype.hasOwnProperty.call(index, state.get(name))) form[name].value = state.get(name);
  });
  // An entry's page names itself alone: the other is then the best that it is not.
  if (form.a.value === form.b.value && !state.has("b")) form.b.selectedIndex = form.a.selectedIndex ? 0 : 1;
  form.addEventListener("change", draw);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.querySelector("[data-swap]").addEventListener("click", function () {
    var a = form.a.value;
    form.a.value = form.b.value;
    form.b.value = a;
    draw();
  });
  draw();
})();
