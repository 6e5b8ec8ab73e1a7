#include "tools/html/page.h"

namespace tally::tools {

// Names of marks on hover and focus, one stop of the Tab key a chart with arrow keys inside, and tables sorted by their
// headings. Without it marks have titles, all can be tabbed to, and tables keep the model's order. No '<' and no '&':
// the page is XML as well.
std::string_view page_script() {
  return R"js(
(function () {
  'use strict';
  var tip = document.getElementById('tip');
  function hide() { tip.style.display = 'none'; }
  function show(mark) {
    tip.textContent = mark.getAttribute('aria-label');
    tip.style.display = 'block';
    var box = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    var left = Math.min(box.left + box.width / 2 - own.width / 2, window.innerWidth - own.width - 8);
    var above = box.top - own.height - 8;
    tip.style.left = Math.max(8, left) + 'px';
    tip.style.top = (above > 4 ? above : box.bottom + 8) + 'px';
  }
  function enter(event) { show(event.currentTarget); }
  Array.prototype.forEach.call(document.querySelectorAll('svg[role=group]'), function (chart) {
    var marks = Array.prototype.slice.call(chart.querySelectorAll('.mark'));
    marks.forEach(function (mark, index) {
      var title = mark.querySelector('title');
      if (title) mark.removeChild(title);
      mark.setAttribute('tabindex', index === 0 ? '0' : '-1');
      mark.addEventListener('mouseenter', enter);
      mark.addEventListener('mouseleave', hide);
      mark.addEventListener('focus', enter);
      mark.addEventListener('blur', hide);
      mark.addEventListener('keydown', function (event) {
        var to = {ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1, ArrowUp: index - 1,
                  Home: 0, End: marks.length - 1}[event.key];
        if (event.key === 'Escape') hide();
        if (to === undefined) return;
        event.preventDefault();
        if (!marks[to]) return;
        mark.setAttribute('tabindex', '-1');
        marks[to].setAttribute('tabindex', '0');
        marks[to].focus();
      });
    });
  });
  window.addEventListener('scroll', hide, true);
  function key(row, column) {
    var cell = row.children[column], value = cell.getAttribute('data-value');
    return value === '' ? cell.textContent.trim() : Number(value);
  }
  function compare(a, b) {
    if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
    return a === b ? 0 : a > b ? 1 : -1;
  }
  function sorter(table, heading, column) {
    return function () {
      var down = heading.getAttribute('aria-sort') !== 'descending';
      var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
      rows.sort(function (a, b) { return (down ? -1 : 1) * compare(key(a, column), key(b, column)); });
      rows.forEach(function (row) { body.appendChild(row); });
      Array.prototype.forEach.call(heading.parentNode.children, function (other) {
        other.removeAttribute('aria-sort');
      });
      heading.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    };
  }
  Array.prototype.forEach.call(document.querySelectorAll('table'), function (table) {
    Array.prototype.forEach.call(table.querySelectorAll('thead th'), function (heading, column) {
      var button = document.createElement('button');
      button.type = 'button';
      button.textContent = heading.textContent;
      button.addEventListener('click', sorter(table, heading, column));
      heading.textContent = '';
      heading.appendChild(button);
    });
  });
}());
)js";
}

}  // namespace tally::tools
