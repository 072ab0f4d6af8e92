// Where the service answers: "" for the address of these pages; else such as "https://api.example.org", and a publishable key.
window.etalase = { api: "", key: "" };

// The language, before anything is painted: that of the address, else the one chosen before, else Indonesian.
{
  const asked = new URLSearchParams(location.search).get("lang");
  let chosen = asked;
  try {
    if (asked) localStorage.setItem("lang", asked);
    chosen = localStorage.getItem("lang");
  } catch {
    // Storage may be forbidden; then the choice lasts as long as the address says it.
  }
  document.documentElement.lang = chosen === "en" ? "en" : "id";
}
