// Requests for HTML. Only the answer to the latest request is shown.

// show(html): show the answer. showFailure(): say that there is none.
export function latestHtml(show, showFailure) {
  let latest = 0;
  const ignoreEarlier = () => ++latest;

  async function load(url, options) {
    const number = ignoreEarlier();
    let html = null;
    try {
      const answer = await fetch(url, options);
      if (!answer.redirected && answer.ok) html = await answer.text();
    } catch { /* No connection. */ }
    if (number !== latest) return;
    if (html === null) showFailure();
    else show(html);
  }

  return { load, ignoreEarlier };
}
