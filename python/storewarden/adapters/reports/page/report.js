(function () {
  "use strict";
  var hosts = Array.prototype.slice.call(document.querySelectorAll("details.host"));
  var find = document.getElementById("find");
  function reveal() {
    var target = document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  }
  function all(open) { hosts.forEach(function (host) { if (!host.hidden) { host.open = open; } }); }
  find.parentNode.hidden = hosts.length === 0;
  find.addEventListener("input", function () {
    var words = find.value.toLowerCase();
    hosts.forEach(function (host) { host.hidden = host.textContent.toLowerCase().indexOf(words) < 0; });
  });
  document.getElementById("open").addEventListener("click", function () { all(true); });
  document.getElementById("close").addEventListener("click", function () { all(false); });
  window.addEventListener("hashchange", reveal);
  reveal();
})();
