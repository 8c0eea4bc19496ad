// Signs in by name and password, and gives Swagger UI the access token. The tokens stay in this page's memory.
const form = document.getElementById("sign-in");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { username, password } = form.elements;
  const say = (text) => { form.querySelector("output").textContent = text; };
  try {
    const answer = await fetch("auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username: username.value, password: password.value }),
    });
    const body = await answer.json();
    if (!answer.ok) {
      say(body.detail || `The server answers ${answer.status}.`);
      return;
    }
    ui.preauthorizeApiKey("bearer", body.access_token);
    password.value = "";
    const until = new Date(Date.now() + body.expires_in * 1000);
    say(`Signed in until ${until.toLocaleTimeString()}.`);
  } catch {
    say("The server does not answer.");
  }
});
