// Keeps a transcript's text and its audio in sync, on the call's page and in admin.
// _viewer.html loads this module, so all elements of the viewer exist when it runs.

// List all modules here, so that the browser loads them at the same time.
import "./channels.js";
import "./corrections.js";
import "./doubtful.js";
import "./focus.js";
import "./keys.js";
import { goToMoment } from "./link.js";
import "./page.js";
import "./playback.js";
import "./settings.js";
import "./waveform.js";
import "./words.js";

goToMoment();
// Without JavaScript, the controls would do nothing. So they are hidden until now.
for (const part of document.querySelectorAll("#viewer [hidden]")) part.hidden = false;
