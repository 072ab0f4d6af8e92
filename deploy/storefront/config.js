// Where the service answers: "" where it and these pages share an address, else for example "https://api.example.org"; then a
// publishable key that is for the address of these pages.
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
