// Keeps a transcript's text and its audio in sync, on the call's page and in admin.
// _viewer.html loads this module, so all elements of the viewer exist when it runs.
import "./channels.js";
import "./keys.js";
import { goToMoment } from "./link.js";

goToMoment();
// Without JavaScript, the controls would do nothing. So they are hidden until now.
for (const part of document.querySelectorAll("#viewer [hidden]")) part.hidden = false;
