/* Offers the store's products while the product's key is typed. Without it the field is a plain text field. */
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const key = document.querySelector("input[data-elevate-products]");
  if (!key) return;
  const list = document.createElement("datalist");
  list.id = "elevate-products";
  key.after(list);
  key.setAttribute("list", list.id);
  const note = document.createElement("div");
  note.className = "help";
  note.setAttribute("role", "status");
  key.closest(".form-row")?.append(note);

  const targets = {
    title: document.getElementById("id_product_title"),
    remote_product_id: document.getElementById("id_remote_product_id"),
    url: document.getElementById("id_remote_registration_url"),
  };
  const suggested = {};
  let landing = null;
  let offered = new Map();
  let timer = 0;
  let asked = 0;

  /* Fills a field only while it is empty or holds what was suggested before: nothing typed is lost. */
  const fill = (name, value) => {
    const field = targets[name];
    if (!field || (field.value && field.value !== suggested[name])) return;
    field.value = value || "";
    suggested[name] = field.value;
  };
  /* This site's own landing address where it is served, which names the Remote Product ID; else the product's page. */
  const follow = (product) => {
    const id = targets.remote_product_id ? targets.remote_product_id.value.trim() : "";
    if (landing && id) fill("url", landing(id));
    else if (product) fill("url", product.url);
  };
  const choose = () => {
    const product = offered.get(key.value);
    if (!product) return;
    fill("title", product.title);
    fill("remote_product_id", product.remote_product_id);
    follow(product);
  };
  targets.remote_product_id?.addEventListener("input", () => follow(offered.get(key.value)));
  const show = (answer) => {
    offered = new Map(answer.products.map((product) => [product.key, product]));
    landing = answer.landing ? (id) => answer.landing.replace(answer.landing_id, encodeURIComponent(id)) : null;
    list.replaceChildren(
      ...answer.products.map((product) => {
        const option = document.createElement("option");
        option.value = product.key;
        option.label = product.note ? `${product.title} (${product.note})` : product.title;
        return option;
      })
    );
    note.textContent = answer.error || (answer.products.length || !key.value ? "" : key.dataset.elevateNone);
    choose();
  };
  const ask = async () => {
    const number = ++asked;
    const url = new URL(key.dataset.elevateProducts, window.location.href);
    url.searchParams.set("q", key.value);
    try {
      const response = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      const answer = response.ok ? await response.json() : null;
      if (answer && number === asked) show(answer);
    } catch {
      /* The field stays a plain text field. */
    }
  };
  key.addEventListener("input", () => {
    choose();
    window.clearTimeout(timer);
    timer = window.setTimeout(ask, 200);
  });
  key.addEventListener("change", choose);
  key.addEventListener("focus", () => list.childElementCount || ask());
});
