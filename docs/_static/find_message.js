"use strict";
// Puts the messages that share most words with what was pasted at the top of the page.
document.addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("pasted"), found = document.getElementById("found");
  if (!field || !found) return;
  const words = (text) => new Set(text.toLowerCase().match(/[a-zß-ÿ_]{3,}/g) || []);
  const messages = [...document.querySelectorAll("#every-message li")].map((item) => [item, words(item.textContent)]);
  const seen = new Map();
  for (const [, own] of messages) for (const word of own) seen.set(word, (seen.get(word) || 0) + 1);
  const weight = (word) => Math.log(1 + messages.length / seen.get(word));
  field.addEventListener("input", () => {
    const pasted = words(field.value);
    const score = (own) => {
      let all = 0, common = 0;
      for (const word of own) { all += weight(word); if (pasted.has(word)) common += weight(word); }
      return common / Math.sqrt(all);
    };
    const best = messages.map(([item, own]) => [score(own), item]).filter(([value]) => value > 0);
    best.sort((one, other) => other[0] - one[0]);
    found.replaceChildren(...best.slice(0, 5).map(([, item]) => item.cloneNode(true)));
  });
});
